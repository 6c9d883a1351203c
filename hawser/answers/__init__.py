"""Messages and answers of hosts: the type of each. Data that passes here has a known shape, and is bounded.

The runner is sent along, so its own words fit exactly. What it passes on from files that another version of Hawser
wrote (journals, history, locks) may hold more or less; what the application or its user wrote is never a reason to
give up a host: it is cut to what makes sense.
"""
