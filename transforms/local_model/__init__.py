"""Image bytes to at most ten faces of 90 landmarks, on this machine, by two small neural networks.

    decode_image -> detect_faces (BlazeFace full-range) -> face_mesh (FaceMesh-V2) -> ninety_points

`face_model.FaceModel` joins the steps; it is the only name that the rest of the project needs beside
`decode_image` and, before a run, `weights.check_weights`. The networks are Google's, Apache-2.0; they are
fetched by `python -m facebeam.transforms.local_model.fetch_weights` and never committed.

Known weak spots: profiles beyond about 60 degrees of yaw are mostly not found. An animal's face can pass
for a human one. Without the rotation search a face turned by 90 to 270 degrees is missed or, rarely, gets a
wrong mesh. The far side of a strong profile's contour runs straight through the background. Thin brows sit
slightly high. Pupils are given on closed eyes. The points are not numerically the API's: rows keep their
`source`. The networks' model cards exclude identification and life-critical decisions.
"""
