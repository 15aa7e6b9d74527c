"""Image bytes to at most ten faces of 90 landmarks, on this machine, by two small neural networks.

    decode_image -> detect_faces (CenterFace) -> face_mesh (FaceMesh-V2, twice) -> certainty -> ninety_points

`face_model.FaceModel` joins the steps; it is the only name that the rest of the project needs beside
`decode_image` and, before a run, `weights.check_weights`. The networks' weights (MIT and Apache-2.0) are
fetched by `python -m facebeam.transforms.local_model.fetch_weights` and never committed.

docs/local-model.md says how well it works, and where it is weak.
"""
