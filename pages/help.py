from spinefrac.ui.app import run

run()
