"""The Functions app: every blueprint registered, nothing else."""

import azure.functions as func

from functions.agents import agents
from functions.api import api_functions
from functions.eventgrid import event_grid
from functions.installers import installers
from functions.page import pages
from functions.tick import ticks
from functions.webhook import webhooks
from hub import telemetry

telemetry.install()
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
for blueprint in (agents, api_functions, event_grid, installers, pages, ticks, webhooks):
    app.register_functions(blueprint)
