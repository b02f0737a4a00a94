// The button for light and dark: what it changes to.

export const LIGHT = "Light";
export const DARK = "Dark";
