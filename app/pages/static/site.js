// What every page has: which page this is, and light or dark.
for (const link of document.querySelectorAll("nav a")) if (link.pathname === location.pathname) link.setAttribute("aria-current", "page");

const button = document.getElementById("theme");
const dark = matchMedia("(prefers-color-scheme: dark)");
const show = () => {
  const chosen = localStorage.getItem("theme");
  document.documentElement.style.colorScheme = chosen ?? "";
  button.textContent = (chosen ?? (dark.matches ? "dark" : "light")) === "dark" ? "Light" : "Dark";
};
button.addEventListener("click", () => { localStorage.setItem("theme", button.textContent.toLowerCase()); show(); });
dark.addEventListener("change", show);
show();
