import numpy as np
import pytest
import torch

from trirl_robot.errors import RunError
from trirl_robot.irl.archive import ArchivedDiscriminator, DiscriminatorArchive


def entry(iteration, size=37):
    head = torch.randn(size, generator=torch.Generator().manual_seed(iteration))
    return ArchivedDiscriminator(
        iteration=iteration, corrected_step_size=0.1 / iteration, eta=float(iteration), head=head
    )


@pytest.fixture
def archive(tmp_path):
    result = DiscriminatorArchive(tmp_path / "discriminators.bin")
    for iteration in range(1, 6):
        result.append(entry(iteration))
    result.flush()
    return result


def test_what_was_written_is_read_bit_for_bit(archive):
    read = archive.read(5)
    np.testing.assert_array_equal(read.iteration, [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(read.corrected_step_size, 0.1 / np.arange(1, 6))
    np.testing.assert_array_equal(read.eta, [1.0, 2, 3, 4, 5])
    assert torch.equal(read.heads, torch.stack([entry(i).head for i in range(1, 6)]))


def test_a_discriminator_takes_little_more_than_its_parameters(archive):
    before = archive.path.stat().st_size
    archive.append(entry(6))
    assert archive.path.stat().st_size - before <= 4 * 37 + 32


def test_rewinding_cuts_off_what_came_later_and_what_was_torn(archive):
    whole = archive.path.read_bytes()
    with archive.path.open("ab") as handle:
        handle.write(whole[-50:])
    archive.rewind(3)
    for iteration in (4, 5):
        archive.append(entry(iteration))
    assert archive.path.read_bytes() == whole
    archive.rewind(0)
    assert not archive.path.exists()
    archive.rewind(0)


def test_a_file_that_holds_too_few_is_refused(archive):
    with pytest.raises(RunError, match="does not hold the 6 discriminators"):
        archive.read(6)
    archive.path.write_bytes(archive.path.read_bytes()[:-1])
    with pytest.raises(RunError, match="does not hold the 5 discriminators"):
        archive.rewind(5)
    archive.rewind(4)
    archive.path.unlink()
    with pytest.raises(RunError, match="it has 0"):
        archive.rewind(1)


@pytest.mark.parametrize("place", [-1, -60, 200])
def test_a_changed_byte_is_noticed(archive, place):
    content = bytearray(archive.path.read_bytes())
    content[place] ^= 1
    archive.path.write_bytes(content)
    with pytest.raises(RunError, match="damaged"):
        archive.read(5)


@pytest.mark.parametrize(
    "content", [b"", b"garbage\n", b"[1]\n", b'{"parameters": 3}\n', b"\xff" * 300]
)
def test_another_file_is_refused(archive, content):
    archive.path.write_bytes(content)
    with pytest.raises(RunError, match="not an archive"):
        archive.read(1)


def test_discriminators_of_another_size_are_refused(archive):
    with pytest.raises(RunError, match="of 38 parameters"):
        archive.append(entry(6, size=38))
