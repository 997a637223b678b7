from setuptools import find_packages, setup

NAME = "trirl_sim_hardware"

setup(
    name=NAME,
    version="0.1.0",
    description="A simulated arm that speaks ROS 2",
    license="MIT",
    packages=find_packages(exclude=["test"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
    ],
    zip_safe=True,
    # colcon runs pytest only where it is asked for
    extras_require={"test": ["pytest"]},
    entry_points={"console_scripts": ["sim_hardware = trirl_sim_hardware.node:main"]},
)
