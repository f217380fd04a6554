"""What readers of Office and OpenDocument files share: the zip with its parts (`package`), one loop
over the markup of running text (`story`), merged cells (`grids`), charts, SmartArt and paragraphs
of slides (`drawings`), formulas (`omml`), `pictures` and `embedded` files. It knows no format.
"""
