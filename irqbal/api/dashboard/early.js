// Runs before the modules arrive: it sets the theme, so that a dark page does not flash white, and asks a daemon for what Now shows,
// so that a slow line has the answer when the page is there.
(() => {
  const chosen = localStorage.getItem("irqbal.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  const token = sessionStorage.getItem("irqbal.token");
  if (document.documentElement.dataset.hosts !== "one" || !/^(#\/?(now.*)?)?$/.test(location.hash)) return;
  globalThis.earlyNow = fetch("/api/v1/now", { headers: token ? { Authorization: `Bearer ${token}` } : {} })
    .then((answer) => (answer.ok ? answer.json() : null), () => null);
})();
