"""From checked flags to the fetcher of images, for a run and for the server."""

from runners.download_options import DownloadOptions
from transforms.image_fetch.allowed_addresses import any_address, is_public
from transforms.image_fetch.fetch_image import ImageFetcher
from transforms.image_fetch.host_turns import HostLimits


def image_fetcher(options: DownloadOptions, ca_data: str) -> ImageFetcher:
    """Describe how images are downloaded.

    Args:
        options: what the user asked for.
        ca_data: certificates to trust besides the usual ones, in PEM.
    """
    headers = [line.split(": ", 1) for line in options.header]
    if options.user_agent is not None:
        headers.append(["User-Agent", options.user_agent])
    return ImageFetcher(
        rule=any_address if options.allow_private_urls else is_public,
        host_limits=HostLimits(options.connections_per_host, options.host_rate),
        headers=tuple((name, value) for name, value in headers),
        ca_data=ca_data,
    )
