"""Tells within seconds whether a server answers, for downloads that something else can replace."""

import threading

SECONDS = 5.0


def answers(url: str, proxy: str = "", seconds: float = SECONDS) -> bool:
    """Whether anything comes back from `url` in time: a page, a redirection, a refusal or an error.

    Only silence counts as no answer. A machine behind a firewall would wait for every address of a name in turn, and
    some resolvers of names know no limit at all. So the request runs in a thread that nothing waits for.

    Args:
      proxy: in place of the proxy of the environment.
    """
    import requests  # Only a download needs it.

    def ask():
        proxies = {"http": proxy, "https": proxy} if proxy else None
        try:
            requests.head(url, timeout=seconds, proxies=proxies).close()
        except requests.exceptions.Timeout:
            silent.set()
        except requests.exceptions.RequestException:
            pass  # The download itself tells this error.

    silent = threading.Event()
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return not (thread.is_alive() or silent.is_set())
