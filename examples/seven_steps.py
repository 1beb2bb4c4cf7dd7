# %% [markdown]
# # The seven steps
#
# Train, evaluate, save and use a classifier of spinal CT slices, on synthetic slices that this
# example makes itself. Not a medical device: for research and teaching only.

# %%
from pathlib import Path

from spinefrac import (
    build_cnn_model,
    evaluate_model,
    load_and_preprocess_image,
    load_model,
    predict_fracture,
    save_model,
    train_model_with_cross_validation,
)
from spinefrac.data.phantom import write_phantom

# %% [markdown]
# Slices with known labels: `fracture` and `normal` are the folders of the two classes. For slices
# of your own, name your folder in `SLICES` and leave `write_phantom` out.

# %%
SLICES = Path("example-slices")
if not SLICES.exists():
    write_phantom(SLICES, patients=8, slices=4, seed=7, size=256, workers=1)
one_slice = next(SLICES.glob("fracture/*.png"))

# %% [markdown]
# 1 and 2. Look at a slice as the network sees it, and build a network. 64 pixels and one epoch are
# too little for a good network, but quick: leave out `size`, `epochs` and `folds` for the defaults.

# %%
image = load_and_preprocess_image(one_slice, size=64)
print("input:", image.shape, f"grey values {image.min():.0f} to {image.max():.0f}")
model = build_cnn_model(size=64)

# %% [markdown]
# 3. Cross-validation that keeps patients whole, then training on all slices. The score has an
# interval, which is wide here: eight patients say little.

# %%
trained_model = train_model_with_cross_validation(model, SLICES, epochs=1, folds=2)
metrics = trained_model.cross_validation.metrics
low, high = metrics.ci["auc"]
print(f"out-of-fold AUC {metrics.auc:.2f} ({low:.2f} to {high:.2f}), {metrics.groups} patients")

# %% [markdown]
# 4. Evaluate it. Do this with slices that the model was not trained on: here they are the same,
# so the result is too good.

# %%
measured = evaluate_model(trained_model, SLICES)
print(f"accuracy {measured['accuracy']:.2f}, confusion matrix {measured['confusion_matrix']}")

# %% [markdown]
# 5, 6 and 7. Save it, load it, and predict.

# %%
save_model(trained_model, "fracture_detection_model.keras")
model = load_model("fracture_detection_model.keras")
print(f"{one_slice.name}: {predict_fracture(one_slice, model)}")
