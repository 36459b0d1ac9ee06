"""An offline checker of Bicep templates: what the compiler would refuse, as far as a parser alone can know it."""
