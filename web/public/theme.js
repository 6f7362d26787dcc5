// Before the first paint: the theme that was chosen, so that nothing flashes. A file of its own because the page's policy
// forbids scripts inside it.
try {
  const theme = localStorage.getItem('slipway-theme')
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
} catch {
  // Storage is forbidden here: the system's theme it is.
}
