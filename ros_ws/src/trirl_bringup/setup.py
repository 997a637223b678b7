from setuptools import find_packages, setup

NAME = "trirl_bringup"

setup(
    name=NAME,
    version="0.1.0",
    description="Starts the graph and scores reaches",
    license="MIT",
    packages=find_packages(exclude=["test"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/launch", ["launch/reach.launch.py"]),
    ],
    zip_safe=True,
    # colcon runs pytest only where it is asked for
    extras_require={"test": ["pytest"]},
    entry_points={
        "console_scripts": [
            "bringup = trirl_bringup.bringup:main",
            "goal_publisher = trirl_bringup.goal_publisher:main",
        ]
    },
)
