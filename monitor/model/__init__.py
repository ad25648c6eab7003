"""The utility's own model as a person meets it: what it learned, what it says now or said then, and why.

    command        `handwheel model card | fit | score | explain | backtest | confirm`
    called         what the model in force calls a window that is to be learned
    fitting        learning on a person's word, and once more to see that the same comes out
    confirming     from when on an asset was sound, on a role's word
    scoring        what the model says of an asset now or at a past time
    backtest       how it would have done on the utility's own past
    life           how long its parts will last
    gathering      all that a card tells of
    meter_command  the same verbs on meters
    meter_called   what the lines in force call a meter's window that is to be learned
    meter_past     how a meter's lines would have done
    made_of        what each feature is made of, in words
    physics_told   the physics lines with the rows and formulas behind them

The pages themselves are made in monitor.reports: card, explanation, model_plots, meter_card, meter_explanation.
"""
