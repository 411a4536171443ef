"""The science: data, models, training, evaluation, Grad-CAM and objects. No Django in here."""
