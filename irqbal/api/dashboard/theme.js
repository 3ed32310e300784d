// Sets the theme before the page is drawn, so that a dark page does not flash white.
(() => {
  const chosen = localStorage.getItem("irqbal.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
