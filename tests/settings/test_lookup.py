"""Names of modules: what is a choice, and what is told of a name that is none."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import jaxgen
from jaxgen.errors import UserError
from jaxgen.settings import lookup

PACKAGE = Path(jaxgen.__file__).parent
CHOICES = {
    "data": """array breast_cancer cifar10 covid_radiography csv digits fashion_mnist folder gaussian_1d
        gaussian_grid gaussian_ring ieee8023 mnist none sprites stacked_mnist svhn_cropped tfds""",
    "models": """bigan cgan cluster_gan cogan conv_vae dcgan energy_gan headed_gan ladder_vae mlp_gan mlp_vae
        point_gan r3gan residual_vae sngan stylegan2 tabular_gan tabular_vae unet vae_gan vq_vae""",
    "recipes": """acgan adversarial_autoencoder began bigan cluster_gan cogan diffusion ebgan factor_vae gan infogan
        ladder_vae r3gan rae semi_supervised_gan stylegan2 vae vae_gan vq_vae""",
    "recipes.posteriors": "categorical gamma gaussian joint",
    "recipes.priors": "normal vamp",
    "losses.reconstruction": "log_cosh ms_ssim perceptual",
    "processes": "edm flow_matching variational",
    "losses.regularizers": "capacity dip_i dip_ii mmd sliced_wasserstein total_correlation",
    "evaluation.samplers": "gaussian_mixture maf normal two_stage",
    "metrics": """active_units ari ari_k_means bits_per_dim c2st_forest c2st_logistic class_histogram class_ratio
        classification_accuracy_score closest_record cluster_accuracy cluster_accuracy_k_means conditional_accuracy
        correlation_similarity coverage dci density duplicate_rows duplicates factor_vae_score fd_efficientnet_lite0
        feature_distance feature_path_length fid fid_infinity frechet_columns inception_score intra_class_fid kid
        ks_complement label_accuracy lpips_alex lpips_vgg memorisation mig modes ms_ssim nmi nmi_k_means
        pairwise_ms_ssim parzen perceptual_path_length precision psnr recall sap sap_svc ssim stacked_modes tstr
        wasserstein_1d""",
    "metrics.extractors": "efficientnet_lite0 inception",
    "trackers": "mlflow tensorboard wandb",
}


@pytest.mark.parametrize("kind", CHOICES)
def test_choices_are_the_modules_that_can_be_named(kind):
    assert lookup.choices(kind) == CHOICES[kind].split()


@pytest.mark.parametrize("kind", CHOICES)
def test_a_helper_file_is_no_choice_and_a_file_with_the_marks_is(tmp_path, kind):
    folder = shutil.copytree(PACKAGE.joinpath(*kind.split(".")), tmp_path / "copy")
    (folder / "helper.py").write_text("def help_with(build):\n    def load(): ...\n    return build.start\n")
    assert list(lookup.marked_modules(folder, lookup._MARKS[kind])) == CHOICES[kind].split()
    defined = "\n".join(f"{mark} = None" for mark in lookup._MARKS[kind])
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "assigned.py").write_text(defined)
    imported = ", ".join(f"x as {mark}" for mark in lookup._MARKS[kind])
    (tmp_path / "again" / "imported.py").write_text(f"from elsewhere import {imported}")
    (tmp_path / "again" / "package").mkdir()
    (tmp_path / "again" / "package" / "__init__.py").write_text(defined)
    (tmp_path / "again" / "part.py").write_text(defined.splitlines()[0] if len(defined.splitlines()) > 1 else "")
    assert lookup.marked_modules(tmp_path / "again", lookup._MARKS[kind]) == ("assigned", "imported", "package")


def test_choices_are_known_without_jax():
    code = "import sys; from jaxgen.settings import lookup; [lookup.choices(k) for k in lookup._MARKS]; "
    code += "sys.exit(bool({'jax', 'flax', 'sklearn'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PACKAGE.parent)


class Pair(NamedTuple):
    first: int
    second: int = 2


def test_a_users_own_module_becomes_the_fields_that_are_asked_for():
    class Own:
        first = 5

    assert lookup.as_fields(Own, Pair, "config.x") == Pair(5, 2)
    Own.second = 7
    assert lookup.as_fields(Own, Pair, "config.x") == Pair(5, 7)
    del Own.first
    with pytest.raises(UserError, match=r"config\.x: Own has no first\(\)"):
        lookup.as_fields(Own, Pair, "config.x")
