// What the picture of a ring is drawn and laid out with; its one export is cytoscape, with fcose among its layouts.
import cytoscape from "cytoscape";
import fcose from "cytoscape-fcose";

cytoscape.use(fcose);

export default cytoscape;
