"""Who may do what: users, roles, sign-in and the log of actions, for pages, REST and commands."""
