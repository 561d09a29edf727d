"""`streamlit run app.py` opens the page; `opro ui` does the same, with options."""

from opro.ui.page import main

main()
