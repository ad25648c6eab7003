"""The words the writing rules look for, in each language of the procedures.

Lower case unless a rule says otherwise; what stands in r"..." is a regular expression.
"""

from __future__ import annotations

VERBS = {
    "en": "add agree announce assign calculate call check close compare count drain evacuate isolate leave lock "
    "measure notify observe open prime read record release remove reset sample select set sign start stop "
    "switch tag test vent verify wait",
    "fr": "ajouter amorcer annoncer appeler arrêter attendre attribuer calculer choisir comparer compter condamner "
    "contrôler convenir couper démarrer fermer lever lire mesurer mettre noter observer ouvrir prélever "
    "prévenir purger quitter relever retirer régler signer sélectionner tester vidanger vérifier évacuer",
    "de": "benachrichtige beobachte berechne bestimme entlüfte entnimm gib halte kündige leere lies melde miss nimm "
    "notiere prüfe ruf rufe räume schalte schließe setze sperre starte stelle stoppe teile teste trage "
    "vereinbare vergleiche verlass verlasse warte wähle zähle öffne",
}
AND = {"en": r"and|then", "fr": r"et|puis", "de": r"und|dann"}
RECORDING = {
    "en": "read measure calculate count",
    "fr": "lire mesurer calculer compter relever",
    "de": "lies miss berechne zähle",
}
CALCULATING = ("calculate", "calculer", "berechne")
VAGUE = {
    "en": r"etc\.|approximately|roughly|as required|if necessary|as needed",
    "fr": r"etc\.|environ|à peu près|si nécessaire|au besoin",
    "de": r"usw\.|ungefähr|etwa|ca\.|bei Bedarf|falls nötig",
}
NEGATIVE = {"en": r"not|no|never", "fr": r"ne|n'\w+|pas|jamais", "de": r"nicht|kein\w*|nie"}
ONE_OF = {"en": "one of the following", "fr": "une des actions suivantes", "de": "eine der folgenden"}
HURTS = {
    "en": r"\b(enter|climb into|climb onto|step into)\b|\bopen\b.*\b(hatch|cover|manhole|tank lid)\b"
    r"|\bremove\b.*\b(lock|tag|guard|padlock)\b|\b(push|press)\b.*\bcontactor\b",
    "fr": r"\b(entrer|descendre|grimper)\b|\bouvrir\b.*\b(trappe|capot|regard|couvercle)\b"
    r"|\b(retirer|enlever|ôter)\b.*\b(cadenas|étiquette|protecteur)\b|\b(pousser|enfoncer)\b.*\bcontacteur\b",
    "de": r"\b(betritt|steige|klettere)\b|\böffne\b.*\b(luke|deckel|klappe|schacht)\b"
    r"|\b(entferne|nimm)\b.*\b(schloss|schild|sperre|abdeckung)\b|\bdrücke\b.*\bschütz\b",
}
SHORT = {
    "HAND", "LOCAL", "AUTO", "LOST", "CONTROL", "SCADA", "DPD", "UTC", "HOLD", "PLC", "UV", "IF", "THEN", "WHEN",
    "WHILE", "GO", "TO", "REFER", "ACK", "MANU", "AND", "OR",
}  # fmt: skip

OR = {"en": "or", "fr": "ou", "de": "oder"}
BOTH = {"en": "and", "fr": "et", "de": "und"}
EITHER = {"en": r"\beither\b.*\bor\b", "fr": r"\bsoit\b.*\bsoit\b", "de": r"\bentweder\b.*\boder\b"}
# a time that a step must not pass
WITHIN = {
    "en": r"\b(within|no later than|in less than|before)(?= (\d|\{\w+\}))",
    "fr": r"\b(en moins de|au plus tard|dans les|avant)(?= (\d|\{\w+\}))",
    "de": r"\b(innerhalb von|innerhalb|binnen|spätestens|in weniger als|vor)(?= (\d|\{\w+\}))",
}
# rounds that are counted, in what ends a repeat
ROUNDS = {
    "en": r"\b(\d+|two|three|four|five|six|ten) (rounds|times|readings|samples)\b",
    "fr": r"\b(\d+|deux|trois|quatre|cinq|six|dix) (tours|fois|relevés|mesures|échantillons)\b",
    "de": r"\b(\d+|zwei|drei|vier|fünf|sechs|zehn) (runden|mal|messungen|ablesungen|proben)\b",
}
# puts a plant or people under voltage: a second person or a release stands at it or at one of the two steps before
CRITICAL = {
    "en": r"\bclose\b[^.]*\b(breaker|main switch|earthing switch)\b",
    "fr": r"\bfermer\b[^.]*\b(disjoncteur|sectionneur|interrupteur principal)\b",
    "de": r"\b(schließe|schalte)\b[^.]*(leistungs|generator|netz|trenn|haupt)schalter\b",
}
AT_A_NUMBER = {
    "en": "to|at|of|above|below|from|by|over|under|than|about|after|for",
    "fr": "à|de|dessus|dessous|par|sous|que|après|pendant",
    "de": "auf|bei|über|unter|von|um|als|nach|für|bis",
}
STEPS = {"en": r"steps?", "fr": r"étapes?", "de": r"schritte?n?"}
