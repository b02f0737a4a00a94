// The palette as the page has it: of each transport { title, light, dark, marker, shape }, in teaching order.
export const PALETTE = JSON.parse(document.getElementById("palette").textContent);

/** A path for a transport's marker, within 10 of the origin in each direction; it always goes with its colour. */
export const shape = transport => PALETTE[transport].shape;
