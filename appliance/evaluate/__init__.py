"""Error rates on a folder of images, by the product's own chain."""
