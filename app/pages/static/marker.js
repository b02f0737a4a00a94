// The shape of a transport's marker, which always goes with its colour.
const SHAPES = {
  square: "M-8,-8 H8 V8 H-8 Z",
  triangle: "M0,-9 L9,8 L-9,8 Z",
  circle: "M-8.5,0 A8.5,8.5 0 1 1 8.5,0 A8.5,8.5 0 1 1 -8.5,0 Z",
  diamond: "M0,-10 L10,0 L0,10 L-10,0 Z",
  plus: "M-3.5,-9 H3.5 V-3.5 H9 V3.5 H3.5 V9 H-3.5 V3.5 H-9 V-3.5 H-3.5 Z",
};

/** What palette.json says of each transport: { title, light, dark, marker }, in teaching order. */
export const PALETTE = JSON.parse(document.getElementById("palette").textContent);

/** A path for the marker, within 10 of the origin in each direction. */
export const shape = transport => SHAPES[PALETTE[transport].marker];
