"""The command `info`: what the package runs on."""

from .. import __version__, cpu_info


def add_parser(commands, **options):
    """Add the command to an argparse object of sub-commands."""
    parser = commands.add_parser("info", help="version, CPU variant, threads, flags")
    parser.set_defaults(run=run)


def run(args):
    """Print what the package runs on."""
    info = cpu_info()
    print(f"regnet_c     {__version__}")
    print(f"CPU variant  {info['isa']} (available: {', '.join(info['available'])})")
    print(f"threads      {info['threads']}")
    print(f"same bits    {'yes' if info['fused'] else 'to tolerance'} on every CPU")
    print(f"build flags  {info['build_flags']}")
    return 0
