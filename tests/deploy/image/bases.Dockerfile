# Stand-ins for the two images that deploy/Dockerfile builds on, because no registry can be reached here.
# Real are Debian's Python 3.11, and Beam's boot program, which Go builds from Beam's source. Not real: the packages
# and libraries that Beam's image also has, and Google's launcher.
FROM scratch AS sdk
ADD .image/debian.tar /
COPY .boot/container /opt/apache/beam/boot
ENTRYPOINT ["/opt/apache/beam/boot"]

FROM scratch AS launcher
COPY tests/deploy/image/launcher.sh /opt/google/dataflow/python_template_launcher
