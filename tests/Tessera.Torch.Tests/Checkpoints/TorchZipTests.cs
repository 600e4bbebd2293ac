using System.IO.Compression;
using Tessera.Checkpoints;
using Tessera.Testing;
using static Tessera.Tests.Checkpoints.CheckpointFiles;

namespace Tessera.Tests.Checkpoints;

public class TorchZipTests
{
    [Theory]
    [InlineData("")]
    [InlineData("archive/")]
    [InlineData("some/deeper/folder/")]
    public void The_folder_may_have_any_name_and_entries_may_be_compressed(string folder)
    {
        var data = Enumerable.Range(1, 4).SelectMany(i => BitConverter.GetBytes((float)i)).ToArray();
        foreach (var level in new[] { CompressionLevel.NoCompression, CompressionLevel.Optimal })
        {
            using var checkpoint = Checkpoint.Read(
                Zip(
                    level,
                    (folder + "data.pkl", Pickle("}", Text("w"), Tensor(Int(0), Int(4), Int(1)), "s")),
                    (folder + "byteorder", "little"u8.ToArray()),
                    (folder + ".data/serialization_id", "1"u8.ToArray()),
                    (folder + "data/0", data)
                )
            );
            Assert.Equal([1f, 2, 3, 4], checkpoint.StateDict()["w"].ToArray<float>());
            Assert.Equal(data, checkpoint.StateDict()["w"].Bytes.ToArray());
        }
    }

    [Fact]
    public void Every_entry_written_begins_at_a_multiple_of_64()
    {
        using var folder = new TempFolder();
        var path = folder["weights.pth"];
        Checkpoint.SaveTorch(
            path,
            Enumerable
                .Range(0, 30)
                .Select(i => new KeyValuePair<string, CheckpointTensor>(
                    new string('n', i + 1),
                    CheckpointTensor.Create<byte>(new byte[i], i)
                ))
        );
        using var file = FileBytes.Map(path);
        var zip = ZipDirectory.Read(file);
        Assert.Equal(33, zip.Entries.Count);
        Assert.All(zip.Entries, entry => Assert.Equal(0, entry.DataOffset % 64));
        Assert.All(zip.Entries, entry => Assert.StartsWith("weights/", entry.Name, StringComparison.Ordinal));
        using var standard = ZipFile.OpenRead(path);
        Assert.All(standard.Entries, entry => entry.Open().CopyTo(Stream.Null));
    }

    [Fact]
    public void Equal_weights_give_equal_files()
    {
        using var folder = new TempFolder();
        Directory.CreateDirectory(folder["again"]);
        KeyValuePair<string, CheckpointTensor>[] weights = [new("w", CheckpointTensor.Create<float>([1, 2], 2))];
        Checkpoint.SaveTorch(folder["w.pth"], weights);
        Checkpoint.SaveTorch(folder["again/w.pth"], weights);
        Assert.Equal(File.ReadAllBytes(folder["w.pth"]), File.ReadAllBytes(folder["again/w.pth"]));
    }

    [Fact]
    public void The_end_record_of_large_archives_is_read()
    {
        var zip = Torch(Pickle("}", Text("w"), Tensor(Int(0), Int(4), Int(1)), "s"));
        var (body, end) = (zip[..^22], zip[^22..]);
        long count = BitConverter.ToUInt16(end, 10),
            length = BitConverter.ToUInt32(end, 12),
            start = BitConverter.ToUInt32(end, 16);
        var end64 = Bytes(
            "PK\u0006\u0006",
            BitConverter.GetBytes(44L),
            45,
            0,
            45,
            0,
            new byte[8],
            BitConverter.GetBytes(count),
            BitConverter.GetBytes(count),
            BitConverter.GetBytes(length),
            BitConverter.GetBytes(start)
        );
        var locator = Bytes("PK\u0006\u0007", new byte[4], BitConverter.GetBytes((long)body.Length), BitConverter.GetBytes(1));
        end.AsSpan(8, 12).Fill(0xff);
        using var checkpoint = Checkpoint.Read(Bytes(body, end64, locator, end));
        Assert.Equal(["w"], checkpoint.StateDict().Keys);

        // The record said to lie beyond the end of the file.
        BitConverter.GetBytes(long.MaxValue - 3).CopyTo(locator, 8);
        Assert.Throws<CorruptCheckpointException>(() => Checkpoint.Read(Bytes(body, end64, locator, end)));
    }
}
