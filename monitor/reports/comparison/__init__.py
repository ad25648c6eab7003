"""The comparison report: what the vendor asked, what the own model saw, what was decided, what inspections found.

Answer first, with counts and 90 % intervals; then what it rests on. It never says intent: it says what the findings
support, and what would change the answer. One file per section:

    whole      the report put together; the command that makes it again
    look       what every section is made from
    answer     1: the answer on one page
    changes    what would change it
    caveats    what a report says of its own limits
    method     2: definitions, gates, limits, data quality, the evidence table
    pictures   the pictures of the evidence, each with its numbers
    agreement  3: what both sides said of each asset
    timeline   when the vendor asked, when work was done
    cases      4: each job with what was found
    misses     where our own model was wrong or silent, as plainly
    money      5: cost per component, failure credit
    ageing     at which age replacing would pay
    access     contracts, who holds the data, who was told first, what to ask for
    people     6: who decides, counted so that no count points at a person
    annex      7: the raw rows
"""

from monitor.reports.comparison.whole import build, erased_words

__all__ = ["build", "erased_words"]
