"""Find at most ten faces with 90 landmarks each in an image, on this machine, with two neural networks.

    decode_image -> detect_faces (CenterFace) -> face_mesh (FaceMesh-V2, twice) -> certainty -> ninety_points

`answer_image` decodes an image and runs `face_model.FaceModel`, which joins the other steps. Before a run,
`weights.check_weights` checks the networks' files (MIT and Apache-2.0). These files are never committed:
`python -m facebeam.transforms.local_model.fetch_weights` downloads them.

docs/local-model.md reports the accuracy and the known weaknesses.
"""
