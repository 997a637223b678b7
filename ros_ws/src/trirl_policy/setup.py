from setuptools import find_packages, setup

NAME = "trirl_policy"

setup(
    name=NAME,
    version="0.1.0",
    description="Runs a policy from one ONNX file on an arm",
    license="MIT",
    packages=find_packages(exclude=["test"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
    ],
    zip_safe=True,
    # colcon runs pytest only where it is asked for
    extras_require={"test": ["pytest"]},
    entry_points={"console_scripts": ["policy_node = trirl_policy.node:main"]},
)
