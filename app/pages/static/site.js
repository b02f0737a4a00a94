// What every page has: which page this is, and light or dark.
import { DARK, LIGHT } from "./words/site.js";

for (const link of document.querySelectorAll("nav a")) if (link.pathname === location.pathname) link.setAttribute("aria-current", "page");

const button = document.getElementById("theme");
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const scheme = () => localStorage.getItem("theme") ?? (prefersDark.matches ? "dark" : "light");
const show = () => {
  document.documentElement.style.colorScheme = localStorage.getItem("theme") ?? "";
  button.textContent = scheme() === "dark" ? LIGHT : DARK;
};
button.addEventListener("click", () => { localStorage.setItem("theme", scheme() === "dark" ? "light" : "dark"); show(); });
prefersDark.addEventListener("change", show);
show();
