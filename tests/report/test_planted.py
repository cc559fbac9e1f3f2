"""What is planted in runs is found, and named in the page and in its twin."""

import json
import re
import shutil

import pytest
from scipy import stats

from jaxgen import report
from jaxgen.report.chapters import Report, report_of
from jaxgen.report.run_search import find_runs

COLLAPSE = {
    "alarm": "collapse",
    "step": 1900,
    "since": 900,
    "value": 0.4,
    "latest": 0.5,
    "threshold": 0.25,
    "message": "collapse at step 1900: 65% of the pairs of fakes in a batch are nearly equal",
    "ended": None,
}
DIVERGED = (
    "loss_d became nan at step 320: training stopped; the last good checkpoint is step 300. A lower learning rate"
)


def _sound(run, top, model="sound", fd=(20.0, 21.0, 20.5), **more):
    for seed, value in enumerate(fd):
        run.make(top / f"{model}/seed_{seed}", value, seed=seed, **more)


def report_in(top) -> Report:
    """What there is to say of the runs below a folder."""
    return report_of(*find_runs([top]), "")


def _words(top):
    """Page and twin, as one reads them."""
    page = report.build([top], top / "out").read_text()
    markdown = (top / "out" / "report.md").read_text().replace("\\", "")
    return page, markdown


def _assert_said(top, *expected):
    page, markdown = _words(top)
    for text in (page, markdown):
        for words in expected:
            assert words in text, words
    return page, markdown


def test_what_all_models_have_alike_is_said_once(run, tmp_path):
    few = {"few_samples": True, "n_fake": 1000, "min_samples": 2048}
    for model, width in (("small", 8), ("large", 16)):
        for seed in range(2):
            records = {name: run.record(9.0 + width + seed, **few, metric=name) for name in ("fd", "kid")}
            run.make(tmp_path / f"{model}/seed_{seed}", seed=seed, changes={"model.width": width}, records=records)
    said = "All models, few samples (2 of 2 runs: seeds 0, 1):"
    page, markdown = _assert_said(tmp_path, said, "but needs 2,048", "1 more like it is below.")
    assert markdown.count(said) == 1
    assert "large, few samples" not in page + markdown


def test_a_collapsed_gan_by_its_alarm(run, tmp_path):
    _sound(run, tmp_path)
    for seed in range(3):
        changes = {"recipe.loss": "saturating"}
        run.make(tmp_path / f"poor/seed_{seed}", 9.0 + seed / 10, seed=seed, changes=changes, alarms=[COLLAPSE])
    _assert_said(
        tmp_path,
        "poor, collapsed (3 of 3 runs: seeds 0, 1, 2):",
        "65% of the pairs of fakes",
        "sound has Frechet distance",  # and is not beaten, though the collapsed one's distance is half of it
        "Models with a better number, but not credible: poor (collapsed).",
    )


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ({"modes": {"value": 2.0, "modes": 8, "direction": "higher", "metric": "modes"}}, "it covers 2 of the 8 modes"),
        (
            {"duplicates": {"value": 0.4, "found": True, "expected_share": 0.001, "metric": "duplicates"}},
            "Collapsed: 40% of its samples nearly repeat another sample (expected: 0.1%)",
        ),
        (
            {"duplicates": {"value": 0.8, "found": True, "support": 24.3, "metric": "duplicates"}},
            "Collapsed: 80% of its samples nearly repeat another sample, as if drawn from 24 different samples.",
        ),
        (
            {"duplicates": {"value": 1.0, "found": True, "support": 1.02, "metric": "duplicates"}},
            "Collapsed: 100% of its samples nearly repeat another sample, as if all were the same.",
        ),
        (
            {
                "recall": {"value": 0.01, "direction": "higher", "metric": "recall"},
                "precision": {"value": 0.9, "direction": "higher", "metric": "precision"},
            },
            "Collapsed: recall is 0.01 although precision is 0.9",
        ),
    ],
)
def test_a_collapse_that_only_the_evaluation_sees(run, tmp_path, records, words):
    base = {"n_real": 5000, "n_fake": 5000, "spread": None, "extractor": None}
    run.make(tmp_path / "poor", 12.0, records={key: {**base, **record} for key, record in records.items()})
    _assert_said(tmp_path, words)


def test_repeats_among_many_different_samples_are_no_collapse(run, tmp_path):
    """The share of them alone grows with the number of samples."""
    record = {"value": 0.18, "found": True, "support": 1790.0, "metric": "duplicates"}
    run.make(tmp_path / "poor", records={"duplicates": {"n_real": 2048, "n_fake": 2048, "spread": None, **record}})
    text = "18% of its samples nearly repeat another sample, as if drawn from 1,790 different samples."
    page, _ = _assert_said(tmp_path, text, "repeats itself")
    assert "Collapsed:" not in page


def test_little_recall_of_samples_that_cover_the_data_is_no_collapse(run, tmp_path):
    base = {"n_real": 5000, "n_fake": 5000, "spread": None, "extractor": None, "direction": "higher"}
    values = {"recall": 0.01, "precision": 0.4, "coverage": 0.2}
    run.make(tmp_path / "soft", records={key: {**base, "value": value, "metric": key} for key, value in values.items()})
    assert all("Collapsed:" not in text and "collapsed (" not in text for text in _words(tmp_path))


@pytest.mark.parametrize("ill", ["", "normal"])
def test_each_latent_sampler_is_judged_by_its_own_numbers(run, tmp_path, ill):
    """The numbers of the one that is well must neither hide the other's collapse nor catch it."""
    records = {}
    for sampler, view in (("", "sample"), ("normal", "sample_normal")):
        values = {"precision": 0.9, "coverage": 0.01} if sampler == ill else {"precision": 0.1, "coverage": 0.04}
        for base, value in values.items():
            key = f"{base}_efficientnet_lite0_{sampler}".strip("_")
            records[key] = run.record(value, metric=base, view=view, direction="higher")
        record = run.record(6.0 if sampler else 5.0, view=view)
        records[f"fd_efficientnet_lite0_{sampler}".strip("_")] = record
    run.make(tmp_path / "vae", records=records)
    run.make(tmp_path / "other", 9.0, changes={"model.width": 8})
    key = "coverage_efficientnet_lite0_normal" if ill else "coverage_efficientnet_lite0"
    _, text = _assert_said(tmp_path, f"Collapsed: {key} is 0.01 although precision is 0.9. Its samples")
    assert text.count("- **vae, collapsed") == 1
    of_sampler = "samples from the latent sampler 'normal' lie among real images, but cover a small part"
    assert (of_sampler in text) == bool(ill)
    # Another sampler's collapse says nothing against the prior's samples, by which the models are compared.
    assert ("vae is best by" in text) == bool(ill)
    told = report_in(tmp_path).chapters[0].effectiveness
    fitted = [(h.text[:7], h.small) for h in told.heads].index(("Frechet", "efficientnet_lite0_normal"))
    assert [row[fitted].look for row in told.rows if row[0].text == "vae"] == [""]


def test_few_real_images_are_told_as_such(run, tmp_path):
    few = {"few_samples": True, "n_fake": 2048, "n_real": 1012, "min_samples": 2048}
    run.make(tmp_path / "xrays", records={"fd": run.record(9.0, **few, metric="fd")})
    _assert_said(tmp_path, "comes from 1,012 real images, but needs 2,048")


def test_a_diverged_run_of_an_older_version_by_its_log(run, tmp_path):
    _sound(run, tmp_path)
    log = f"2026-11-22 13:20:00,000 ERROR {DIVERGED}\n"
    run.make(tmp_path / "wild", step=300, log=log, changes={"model.width": 8})
    said = ("wild, diverged:", "Diverged: loss_d became nan at step 320", "the last good checkpoint is step 300")
    _assert_said(tmp_path, *said)


def _record_failure(folder, **changes):
    """What training leaves when a number became nan."""
    record = {"kind": "not_finite", "seed": 0, "step": 320, "term": "loss_d", "value": "nan", "message": "no sentence"}
    (folder / "failure.json").write_text(json.dumps({**record, **changes}))


@pytest.mark.parametrize(
    ("kind", "words"),
    [("not_finite", "Diverged: no sentence."), ("of later versions", "Failed at step 300 of 3,000: no sentence.")],
)
def test_a_failed_run_by_its_record(run, tmp_path, kind, words):
    """Its kind decides, whatever words the message and the log have."""
    log = f"2026-11-22 13:20:00,000 ERROR {'other words' if kind == 'not_finite' else DIVERGED}\n"
    _record_failure(run.make(tmp_path / "wild", step=300, log=log), kind=kind)
    page, _ = _assert_said(tmp_path, words)
    assert (">diverged</span>" in page) == (kind == "not_finite")


def test_of_a_recorded_failure_the_seed_that_failed_is_named(run, tmp_path):
    folder = run.make(tmp_path / "lanes", step=300, changes={"num_seeds": 2})
    _record_failure(folder, seed=1)
    _assert_said(
        tmp_path,
        "lanes, diverged (1 of 2 runs: seed 1):",
        "Diverged: no sentence.",
        "lanes, failed (1 of 2 runs: seed 0):",
        "its program ended because of its seed 1",
    )


def test_a_run_that_went_on_after_its_error_is_no_failure(run, tmp_path):
    log = f"2026-11-22 13:20:00,000 ERROR {DIVERGED}\nx INFO resuming at step 300 of 3000\n"
    run.make(tmp_path / "wild", 5.0, log=f"{log}x INFO compiling 10 steps for 1 device(s) ...\n")
    assert "iverged" not in _words(tmp_path)[0].split("How to read it</h2>")[0]


def test_a_model_that_copies(run, tmp_path):
    _sound(run, tmp_path)
    found = {"found": True, "share_held_out": 0.01, "exact_copies": 1200, "metric": "memorisation"}
    for seed in range(3):
        record = run.record(0.34, **found, n_train=10_000)
        changes = {"model.width": 8}
        records = {"memorisation_efficientnet_lite0": record}
        run.make(tmp_path / f"parrot/seed_{seed}", 2.0 + seed / 10, seed=seed, changes=changes, records=records)
    _assert_said(
        tmp_path,
        "parrot, copies (3 of 3 runs: seeds 0, 1, 2):",
        "Copies training data: 34% of its samples are unusually near to a training example, "
        "compared with 1% of unseen real ones",
        "1,200 are exact copies",
        "sound has Frechet distance",
        "not credible: parrot (copies training data)",
    )


@pytest.mark.parametrize(
    ("changes", "config", "words"),
    [
        ({"n_fake": 1000}, {}, "n_fake 1000 instead of 5000"),
        ({"resize": "bicubic"}, {}, "resize bicubic instead of bilinear"),
        ({}, {"evaluation.seed": 7}, "evaluation.seed 7 instead of 0"),
        ({"split": "mnist:train"}, {}, "split mnist:train instead of mnist:test"),
    ],
)
def test_other_settings_are_named_and_not_ranked(run, tmp_path, changes, config, words):
    _sound(run, tmp_path)
    record = run.record(1.5, **changes)
    run.make(tmp_path / "odd", changes={"model.width": 8, **config}, records={"fd_efficientnet_lite0": record})
    _, page = _assert_said(
        tmp_path, "odd, other settings:", words, "Not ranked: odd (1.5", "sound has Frechet distance"
    )
    assert "1. odd" not in page


def test_other_settings_of_a_metric_that_decides_nothing_are_a_mark_in_its_column(run, tmp_path):
    for name, width, discrete in (("a", 8, True), ("b", 16, True), ("c", 32, False)):
        bits = run.record(0.5, metric="bits_per_dim", discrete=discrete)
        records = {"fd_efficientnet_lite0": run.record(1.0 + width), "bits_per_dim": bits}
        run.make(tmp_path / name, changes={"model.width": width}, records=records)
    page, markdown = _words(tmp_path)
    assert "c, other settings:" not in page  # it is ranked by the distance like the others
    assert "3. c |" in markdown
    assert "discrete false instead of true (bits_per_dim)" in page  # its card says so
    assert "† (other settings)" in markdown


def test_two_close_numbers_are_told_to_the_same_digits(run, tmp_path):
    _sound(run, tmp_path, "spread", (30.0, 45.0, 37.9))
    _sound(run, tmp_path, "steady", (37.71, 37.72, 37.73), changes={"model.width": 8})
    _assert_said(tmp_path, "spread is best by Frechet distance (efficientnet_lite0): 37.633 [", "steady with 37.720 [")


def test_an_interval_of_few_seeds_does_not_press_the_other_models_together(run, tmp_path):
    """The axis ends near the numbers: two seeds at 10 and 100 have an interval of the mean from -517 to 627."""
    _sound(run, tmp_path, "wild", (10.0, 100.0))
    _sound(run, tmp_path, "tame", (20.0, 21.0), changes={"model.width": 8})
    report.build([tmp_path], tmp_path / "out")
    drawn = (tmp_path / "out" / "figures" / "data-1_leaderboard.svg").read_text()
    ticks = [float(text.replace("\u2212", "-")) for text in re.findall(r">(\u2212?[\d.]+)</text>", drawn)]
    assert len(ticks) > 2
    assert min(ticks) > -50
    assert max(ticks) < 150


def test_another_extractor_is_named(run, tmp_path):
    _sound(run, tmp_path)
    other = {"fid": run.record(1.5, extractor="inception")}
    run.make(tmp_path / "odd", changes={"model.width": 8}, records=other)
    said = "extractor inception instead of efficientnet_lite0 (it has fid)"
    _, page = _assert_said(tmp_path, "odd, other settings:", said, "Not ranked: odd (no such number)")
    assert "1. odd" not in page


def test_settings_of_the_metric_itself_count(run, tmp_path):
    for name, k in (("a", 3), ("b", 3), ("c", 5)):
        record = run.record(0.5, metric="precision", direction="higher", k=k)
        run.make(tmp_path / name, changes={"model.width": ord(name)}, records={"precision": record})
    _assert_said(tmp_path, "c, other settings:", "k 5 instead of 3 (precision)")


def test_a_single_seed_proves_nothing(run, tmp_path):
    run.make(tmp_path / "a", 5.0)
    run.make(tmp_path / "b", 50.0, changes={"model.width": 8})
    _assert_said(tmp_path, "There is no answer: a and b have a single seed")


def test_two_seeds_are_to_be_believed_with_care_and_three_are_believed(run, tmp_path):
    for name, width, values in (("a", 8, (20.0, 20.1)), ("b", 16, (50.0, 50.1))):
        _sound(run, tmp_path, name, values, changes={"model.width": width})
    _assert_said(tmp_path, "With care. It has two seeds, and two tell little about their spread.")
    run.make(tmp_path / "a/seed_2", 20.2, seed=2, changes={"model.width": 8})
    _assert_said(tmp_path, "Yes: 3 seeds that spread by 0.5%, and no problem was found.")


def test_seeds_of_one_budget_that_made_other_numbers_of_steps_are_named(run, tmp_path):
    for seed, step in enumerate((2600, 3000, 2950)):
        changes, timing = {"budget.seconds": 90.0, "steps": 10**6}, {"step_seconds": 90.0}
        run.make(tmp_path / f"seed_{seed}", 9.0, seed=seed, step=step, changes=changes, timing=timing)
    _assert_said(tmp_path, "With care. Its seeds made 2,600 to 3,000 steps.")


def test_a_difference_that_may_be_chance_is_called_that(run, tmp_path):
    _sound(run, tmp_path, "a", (20.0, 24.0, 22.0))
    _sound(run, tmp_path, "b", (21.0, 25.0, 23.0), changes={"model.width": 8})
    _assert_said(tmp_path, "It may be: the difference to b is not significant", "no proven difference")


def test_a_model_far_behind_with_wide_seeds_is_not_told_apart(run, tmp_path):
    _sound(run, tmp_path, "a", (20.0, 20.1, 20.2))
    _sound(run, tmp_path, "b", (30.0, 30.1, 30.2), changes={"model.width": 8})
    _sound(run, tmp_path, "c", (10.0, 80.0, 400.0), changes={"model.width": 9})
    _assert_said(
        tmp_path,
        "the difference to b is significant",
        "too much spread for the test: c.",
        "no proven difference",
    )


def test_equals_share_the_first_place(run, tmp_path):
    for name, values in (("a", (5, 6)), ("b", (6, 5)), ("c", (9, 9.5))):
        _sound(run, tmp_path, name, values, changes={"model.width": ord(name)})
    _assert_said(
        tmp_path, "a and b are best alike by", "Next comes c with", "68% more", "the difference to b is not significant"
    )


def test_a_study_names_what_failed_and_what_is_missing(run, tmp_path):
    run.make(tmp_path / "runs/good/seed_0", 5.0)
    run.make(tmp_path / "runs/bad/seed_0", step=300, changes={"model.width": 8})
    runs = [{"workdir": "runs/bad/seed_0", "seeds": [0], "status": "failed", "attempts": 2, "message": DIVERGED}]
    entries = [
        {"name": "good", "title": "The good one", "workdirs": ["runs/good/seed_0"], "status": "done"},
        {"name": "bad", "title": "The bad one", "workdirs": ["runs/bad/seed_0"], "status": "failed", "runs": runs},
        {"name": "late", "title": "Late", "workdirs": ["runs/late/seed_0"], "status": "waiting"},
        {"name": "gone", "workdirs": [], "status": "failed", "message": "killed by SIGKILL (out of memory?)"},
    ]
    (tmp_path / "study.json").write_text(json.dumps({"name": "digits", "entries": entries}))
    _assert_said(
        tmp_path,
        "bad, seed 0, failed after 2 attempts:",
        "The bad one, diverged:",
        "late, missing:",
        "it is waiting",
        "gone, failed:",
        "out of memory?",
        "The good one has Frechet distance",
    )


def _damage_config(folder):
    (folder / "config.json").write_text("{")


def _damage_evaluation(folder):
    (folder / "evaluation.json").write_text('{"fd_efficientnet_lite0": {"val')


def _damage_metrics(folder):
    (folder / "metrics.jsonl").write_text('{"step": 100, "loss_g": 1.0}\nnonsense\n{"step": 200, "lo')


def _damage_picture(folder):
    (folder / "samples" / "step_0003000.png").write_bytes(b"\x89PNG nothing")


def _strange_records(folder):
    path = folder / "evaluation.json"
    found = json.loads(path.read_text())
    found["fd_efficientnet_lite0"] |= {"value": None, "note": "value is nan", "spread": None}
    found["strange"] = {"value": "seven", "spread": [1], "direction": 3, "metric": 5}
    path.write_text(json.dumps(found))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_damage_config, "Config.json is unreadable"),
        (_damage_evaluation, "Evaluation.json is unreadable"),
        (_damage_metrics, "Metrics.jsonl has 1 damaged line."),
        (_damage_picture, "samples/step_0003000.png is no readable picture"),
        (_strange_records, "fd_efficientnet_lite0 is not a finite number (value is nan)"),
        (lambda folder: (folder / "evaluation.json").unlink(), "Trained to the end, but there is no evaluation.json"),
        (lambda folder: (folder / "alarms.json").write_text("[]"), "Alarms.json is unreadable"),
        (lambda folder: shutil.rmtree(folder / "samples"), "hurt"),
    ],
)
def test_damaged_runs_do_not_break_the_report(run, tmp_path, damage, words):
    run.make(tmp_path / "whole", 5.0)
    damage(run.make(tmp_path / "hurt", 6.0, changes={"model.width": 8}))
    _assert_said(tmp_path, words, "whole")


def test_a_run_of_which_nothing_is_left_but_its_log_is_named(run, tmp_path):
    run.make(tmp_path / "whole", 5.0)
    (tmp_path / "shell").mkdir()
    (tmp_path / "shell" / "config.json").write_text("[]")
    _assert_said(tmp_path, "shell:", "Left out: config.json is unreadable")


@pytest.mark.parametrize("place", [("fd_efficientnet_lite0", "direction"), ("_run", "packages"), ("_run", "step")])
@pytest.mark.parametrize(
    "junk", [[1, "a"], *(pytest.param(x, marks=pytest.mark.full) for x in ({"a": []}, "x", -1, None))]
)
def test_values_of_the_wrong_kind_spare_the_other_runs(run, tmp_path, place, junk):
    run.make(tmp_path / "whole", 5.0, pictures=False)
    path = run.make(tmp_path / "hurt", 6.0, changes={"model.width": 8}, pictures=False) / "evaluation.json"
    found = json.loads(path.read_text())
    found[place[0]][place[1]] = junk
    path.write_text(json.dumps(found))
    told = report_in(tmp_path)
    named = [model.name for chapter in told.chapters for model in chapter.section.models]
    lost = [sentence.lead for sentence in told.lost]
    assert "whole" in named
    assert ("hurt" in named) != ("hurt:" in lost)


def test_an_unfinished_run_is_called_that(run, tmp_path):
    run.make(tmp_path / "slow", step=700)
    _assert_said(tmp_path, "Unfinished: it stands at step 700 of 3,000")


def test_an_unfinished_run_tells_its_budget_of_seconds(run, tmp_path):
    run.make(tmp_path / "slow", step=700, changes={"budget.seconds": 1e6, "steps": 10**9})
    _assert_said(tmp_path, "Unfinished: it stands at step 700, of as many as fit into 1e+06 s")


def test_an_unfinished_run_costs_nothing_yet(run, tmp_path):
    run.make(tmp_path / "slow" / "seed_0", 9.0)
    run.make(tmp_path / "slow" / "seed_1", seed=1, step=700, timing={"step_seconds": 20.0})
    _assert_said(tmp_path, "slow took 1 min 40 s to train a seed")


def test_seeds_of_one_program_are_runs_of_their_own(run, tmp_path):
    """num_seeds=3: aggregated numbers above, each seed's below; times are shared."""
    folder = run.make(tmp_path / "lanes", 99.0)
    config = json.loads((folder / "config.json").read_text())
    config["config"]["num_seeds"] = 3
    (folder / "config.json").write_text(json.dumps(config))
    for seed, value in enumerate((5.0, 5.5, 6.0)):
        lane = run.make(tmp_path / f"made_{seed}", value, seed=seed)
        (folder / f"seed_{seed}").mkdir()
        shutil.move(lane / "evaluation.json", folder / f"seed_{seed}" / "evaluation.json")
        shutil.rmtree(lane)
    _, text = _assert_said(tmp_path, "over 3 seeds", "3 seeds in one program", "took 33 s to train a seed")
    assert "99.0" not in text


def test_of_a_program_that_diverged_the_seed_that_did_is_named(run, tmp_path):
    log = f"2026-11-22 13:20:00,000 ERROR seed 1: {DIVERGED}\n"
    folder = run.make(tmp_path / "lanes", step=300, log=log)
    config = json.loads((folder / "config.json").read_text())
    config["config"]["num_seeds"] = 2
    (folder / "config.json").write_text(json.dumps(config))
    _assert_said(
        tmp_path,
        "lanes, diverged (1 of 2 runs: seed 1):",
        "Diverged: loss_d became nan at step 320",
        "lanes, failed (1 of 2 runs: seed 0):",
        "its program ended because of its seed 1",
    )


@pytest.mark.parametrize("mirrored", [False, True])
def test_models_stand_beside_baselines_and_are_told_which_they_beat(run, tmp_path, mirrored):
    """Scores of 0.5 are best; the copula's is 0.58, and one of the models is nearer, from above or from below."""
    good, poor, rival = (0.55, 0.551, 0.549), (0.7, 0.71, 0.72), (0.58, 0.585, 0.575)
    if mirrored:
        good, poor = (tuple(1 - value for value in values) for values in (good, poor))
    base = {"metric": "c2st_forest", "direction": "lower", "spread": 0.02}
    names = {"class_copula": "class Gaussian copula", "real": "real training rows"}
    told = {"value": 0.58, "seeds": dict(enumerate(rival))}
    for name, values in (("good", good), ("poor", poor)):
        for seed, value in enumerate(values):
            records = {"c2st_forest": run.record(value, **base, view="points", extractor=None)}
            changes = {"model.width": ord(name[0]), "evaluation.baselines": tuple(names)}
            folder = run.make(tmp_path / f"{name}/seed_{seed}", seed=seed, records=records, changes=changes)
            beside = {key: {"_title": title, "c2st_forest": told} for key, title in names.items()}
            (folder / "baselines.json").write_text(json.dumps({**beside, "_run": {}}))
    distances = [[abs(value - 0.5) for value in values] for values in (good, poor, rival)]
    p = [stats.ttest_ind(values, distances[2], equal_var=False).pvalue for values in distances[:2]]
    corrected = 2 * p[0] if p[0] < p[1] else max(p[0], 2 * p[1])
    _, text = _assert_said(tmp_path, "Which beat the class Gaussian copula?", "real training rows", "baseline")
    assert f"good ({0.45 if mirrored else 0.55:.4f}, p = {corrected:.2g})" in text
    assert "poor (0." not in text.split("tests. Models")[0]
    assert "good is best by C2ST forest AUC" in text
    assert "0.16 further from 0.5." in text
    assert "Ranked, compared and tested by the distance of C2ST forest AUC from 0.5." in text
    assert "0.5 is best." in text
    assert "C2ST forest AUC → 0.5" in text
    assert "ower is better" not in text


def test_seeds_that_were_trained_for_longer_are_no_seeds_of_the_shorter_model(run, tmp_path):
    """As earlier versions left a run that went on: its config.json kept the steps of the first part."""
    for seed, value in enumerate((20.0, 21.0)):
        run.make(tmp_path / f"short/seed_{seed}", value, seed=seed)
    for seed, value in enumerate((9.0, 10.0), 2):
        run.make(tmp_path / f"long/seed_{seed}", value, seed=seed, step=6000)
    told = report_in(tmp_path)
    assert [[run.seed for run in model.runs] for model in told.chapters[0].section.models] == [[2, 3], [0, 1]]
    assert all("--config.steps=6000" in card.command for card in told.chapters[0].cards if card.run.seed > 1)
    _assert_said(
        tmp_path, "Trained to step 6,000, although its config.json says 3,000", "20.5 [14.1, 26.9] over 2 seeds"
    )


def test_a_longer_budget_of_seconds_is_another_model_and_other_steps_within_it_are_not(run, tmp_path):
    for seed, (seconds, step) in enumerate(((90.0, 3000), (90.0, 2600), (180.0, 5900))):
        changes = {"budget.seconds": seconds, "steps": 10**6}
        run.make(
            tmp_path / f"seed_{seed}", 9.0, seed=seed, step=step, changes=changes, timing={"step_seconds": seconds}
        )
    models = report_in(tmp_path).chapters[0].section.models
    assert [[run.seed for run in model.runs] for model in models] == [[0, 1], [2]]


def test_the_evaluation_of_an_earlier_checkpoint_leaves_the_run_finished(run, tmp_path):
    run.make(tmp_path / "whole", 5.0, changes={"model.width": 8})
    folder = run.make(tmp_path / "early", 6.0, evaluated=1500)
    (folder / "metrics.jsonl").unlink()  # the checkpoints tell too
    chapter = report_in(tmp_path).chapters[0]
    assert {row[9].text for row in chapter.efficiency.rows} == {"3 T"}
    said = ("these numbers are of step 1,500: fd_efficientnet_lite0", "6 (of step 1,500)")
    page, text = _assert_said(tmp_path, *said, "checkpoint an earlier one instead of the last")
    assert "Unfinished" not in page + text


def test_numbers_of_earlier_checkpoints_alone_are_compared_and_marked(run, tmp_path):
    for number, name in enumerate(("a", "b")):
        run.make(tmp_path / name, 5.0 + number, evaluated=1500, changes={"model.width": 8 + number})
    chapter = report_in(tmp_path).chapters[0]
    assert [row[1].small for row in chapter.leaderboard.rows] == ["of step 1,500"] * 2
    assert [row[1].small for row in chapter.effectiveness.rows] == ["of step 1,500"] * 2
    assert not chapter.leaderboard.notes or "Not ranked" not in chapter.leaderboard.notes[0]


def _project(run, folder, value, name="projection.json", key="psnr_inversion", images=64, **budget):
    """What `--mode=project` leaves in a work directory."""
    budget = {"space": "z", "steps": 500, "restarts": 3, "learning_rate": 0.05, **budget}
    record = run.record(
        value, metric="psnr", view="project", direction="higher", extractor=None, resize=None, inversion=budget
    )
    record |= {"n_real": images, "n_fake": images}
    told = {"config": json.loads((folder / "config.json").read_text())["config"], "step": 3000}
    (folder / name).write_text(json.dumps({key: record, "_skipped": {"fid": "no pairs"}, "_run": told}))


def test_inversions_stand_beside_the_evaluation(run, tmp_path):
    for number, name in enumerate(("a", "b", "plain")):
        folder = run.make(tmp_path / name, 5.0 + number, changes={"model.width": 8 + number})
        if name != "plain":
            _project(run, folder, 20.0 + number)
            _project(run, folder, 30.0 + number, "projection_w.json", "psnr_inversion_w", space="w")
    grid = report_in(tmp_path).chapters[0].effectiveness
    assert [(head.text, head.small) for head in grid.heads[2:]] == [("PSNR ↑", "inversion"), ("PSNR ↑", "inversion_w")]
    rows = {row[0].text: [cell.text for cell in row[2:]] for row in grid.rows}
    assert rows == {"a": ["20.00", "30.00"], "b": ["21.00", "31.00"], "plain": ["–", "–"]}
    budget = "inversions by --mode=project (space z, steps 500, restarts 3, images 64)"
    page, text = _assert_said(tmp_path, budget, "space w, steps 500")
    assert "Evaluated with other settings" not in page
    assert "no pairs" not in text


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"steps": 50}, "inversion.steps 50 instead of 500"),
        ({"restarts": 1}, "inversion.restarts 1 instead of 3"),
        ({"images": 8}, "n_real 8 instead of 64"),
    ],
)
def test_inversions_of_another_budget_are_not_compared(run, tmp_path, other, words):
    for number, name in enumerate(("a", "b", "odd")):
        folder = run.make(tmp_path / name, 5.0 + number, changes={"model.width": 8 + number})
        _project(run, folder, 20.0 + number, **(other if name == "odd" else {}))
    _assert_said(tmp_path, words, "(psnr_inversion)")


def test_inversions_alone_are_no_evaluation(run, tmp_path):
    _project(run, run.make(tmp_path / "run"), 20.0)
    _assert_said(tmp_path, "Trained to the end, but there is no evaluation.json")
    _project(run, run.make(tmp_path / "second", changes={"model.width": 4}), 21.0)
    run.make(tmp_path / "evaluated", 9.0, changes={"model.width": 8})
    assert report_in(tmp_path).chapters[0].table.metric.key == "fd_efficientnet_lite0"


def _baseline(run, folder, value, **settings):
    """A baselines.json with the one metric."""
    record = run.record(0.6, metric="c2st_forest", view="points", extractor=None, **settings)
    told = {"_title": "class Gaussian copula", "c2st_forest": {**record, "value": value, "seeds": {"0": value}}}
    (folder / "baselines.json").write_text(json.dumps({"class_copula": told, "_run": {}}))


def _tabular(run, folder, width, baselines=("class_copula",)):
    record = run.record(0.6, metric="c2st_forest", view="points", extractor=None, rows_of_each=171)
    changes = {"model.width": width, "evaluation.baselines": baselines}
    return run.make(folder, records={"c2st_forest": record}, changes=changes)


def test_baselines_of_other_settings_are_named_and_not_shown(run, tmp_path):
    for number, (name, rows) in enumerate((("a", 50), ("b", 171), ("c", 171))):
        _baseline(run, _tabular(run, tmp_path / name, 8 + number), 0.9 - number / 10, rows_of_each=rows, n_fake=398)
    chapter = report_in(tmp_path).chapters[0]
    assert [row[1].text for row in chapter.leaderboard.rows][3:] == ["0.8"]
    assert chapter.effectiveness.rows[-1][1].text == "0.8 †"
    told = "Not compared: class Gaussian copula of a: rows_of_each 50 instead of 171."
    assert [note for note in chapter.leaderboard.notes if "copula" in note] == [told]
    for name in ("b", "c"):
        (tmp_path / name / "baselines.json").unlink()
    chapter = report_in(tmp_path).chapters[0]
    assert len(chapter.leaderboard.rows) == 3
    assert chapter.effectiveness.rows[-1][1].text == "†"
    _assert_said(tmp_path, told)


def test_baselines_that_an_earlier_evaluation_left_are_not_shown(run, tmp_path):
    _baseline(run, _tabular(run, tmp_path / "a", 8, baselines=()), 0.9)
    assert "copula" not in "".join(_words(tmp_path))
