"""Where users meet a service."""

from holodeck import rollout
from holodeck_master import records
from holodeck_master.plan import plan_for


def told(world, record):
    """Return a release's record with the service's URLs, when it is good."""
    if record["status"] != records.GOOD:
        return record
    plan = plan_for(world, record["service"], record["environment"])
    return {**record, "answers": urls(world, plan)}


def urls(world, plan):
    """
    Return the URLs by which users meet a service, as far as addresses are known.

    The one that its place names, or of the address that balancers share, or of each
    balancer; without any of them of the web hosts themselves.
    """
    place, known = plan.placement, world.records.addresses(plan.environment.name)
    if place.url:
        return [place.url]
    role = "balancer" if plan.environment.members("balancer") else "web"
    there = [known[h] for h in plan.environment.members(role) if h in known]
    if role == "web":
        targets = [rollout.host_target("", a, plan.service.port) for a in there]
    else:
        shared = plan.environment.virtual_address.partition("/")[0]
        addresses = [shared] if shared else there
        targets = [rollout.balancer_target("", a, place) for a in addresses]
    return [_shown(target["url"]) for target in targets]


def _shown(url):
    """Leave the port out that everybody takes for granted."""
    usual = ":443" if url.startswith("https:") else ":80"
    return url.removesuffix(usual)
