// The code of a transport, server and browser: the very files that run.
import hljs from "highlight.js";
import python from "highlight.js/languages/python";
import javascript from "highlight.js/languages/javascript";
import * as words from "./words/code.js";

hljs.registerLanguage("python", python);
hljs.registerLanguage("javascript", javascript);

/** Add the code of `transport` to `place`. */
export async function showCode(place, transport) {
  const files = [
    { title: words.server(transport), url: `/code/${transport}.py`, language: "python" },
    { title: words.browser(transport), url: `/static/clients/${transport}.js`, language: "javascript" },
  ];
  const figures = await Promise.all(files.map(async ({ title, url, language }) => {
    const figure = document.createElement("figure"), caption = document.createElement("figcaption");
    const pre = document.createElement("pre"), code = document.createElement("code");
    caption.textContent = title;
    pre.tabIndex = 0;
    pre.setAttribute("aria-label", title);
    pre.setAttribute("role", "region");
    code.innerHTML = hljs.highlight(await (await fetch(url)).text(), { language }).value; // it escapes its input
    pre.append(code);
    figure.append(caption, pre);
    return figure;
  }));
  place.append(...figures);
}
