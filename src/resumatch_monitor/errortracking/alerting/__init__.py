"""Of what about issues people are told, and how: rules, and storms of new issues; pure."""
