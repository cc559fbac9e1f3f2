"""What shows a run beside its work directory: TensorBoard, Weights & Biases, MLflow, one file each.

It imports files and settings.
"""
