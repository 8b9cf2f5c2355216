"""Who a caller is: logins, passwords, sessions and tokens, and the actor behind a credential."""
