"""The Functions app: every blueprint registered, nothing else."""

import azure.functions as func

from functions.agents import agents
from functions.tick import ticks
from functions.webhook import webhooks

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
for blueprint in (agents, webhooks, ticks):
    app.register_functions(blueprint)
