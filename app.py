"""The browser app: page configuration and navigation, nothing else.

Start it with ``make app``, or with ``streamlit run app.py`` in this folder.
"""

from pathlib import Path

import streamlit as st

from spinefrac.records import NOT_A_MEDICAL_DEVICE

PAGES = Path(__file__).resolve().parent / "pages"

st.set_page_config(
    page_title="spinefrac",
    page_icon=PAGES / "logo.svg",
    layout="wide",
    menu_items={"About": f"**spinefrac** · {NOT_A_MEDICAL_DEVICE}"},
)
st.logo(PAGES / "wordmark.svg", icon_image=PAGES / "logo.svg", size="large")
st.navigation(
    [
        st.Page(
            PAGES / "predict.py",
            title="Upload & Predict",
            icon=":material/radiology:",
            default=True,
        ),
        st.Page(PAGES / "train.py", title="Train", icon=":material/model_training:"),
        st.Page(PAGES / "augmentation.py", title="Augmentation", icon=":material/filter:"),
        st.Page(PAGES / "metrics.py", title="Metrics", icon=":material/monitoring:"),
        st.Page(PAGES / "models.py", title="Models", icon=":material/inventory_2:"),
    ]
).run()
