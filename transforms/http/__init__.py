"""HTTP for images and the API: which addresses may be reached, in how much time, and what errors mean."""
