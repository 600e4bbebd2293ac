using System.IO.Compression;
using Tessera.Checkpoints;
using Tessera.Testing;
using static Tessera.Tests.Checkpoints.CheckpointFiles;

namespace Tessera.Tests.Checkpoints;

/// <summary>Damaged files: each gives a value or a typed error, and never anything else.</summary>
[Trait("Category", Mutations.Category)]
public class MutatedCheckpointTests
{
    public static TheoryData<string> Kinds =>
        ["nested.pth", "legacy.pth", "tiny.safetensors", "deflated.pth", "arrays.npz", "array.npy", "numpy.pkl"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_damaged_file_gives_a_value_or_a_typed_error(string kind) =>
        Mutations.Check<CheckpointException>($"checkpoint_{kind}", [(Original(kind), bytes =>
                {
                    using var checkpoint = Checkpoint.Read(bytes);
                    ReadAll(checkpoint.Root);
                })]);

    static byte[] Original(string kind) =>
        kind switch
        {
            "deflated.pth" => Repacked(Golden("nested.pth")),
            "arrays.npz" => Zip(
                CompressionLevel.Optimal,
                ("a.npy", Npy("<f4", "(2, 3)", new byte[24])),
                ("b/c.npy", Npy("<i8", "()", new byte[8])),
                ("d.npy", Npy("<f2", "(2, 2)", new byte[8], fortran: true))
            ),
            "array.npy" => Npy("<f4", "(2, 3)", new byte[24]),
            "numpy.pkl" => Pickle(
                "}(",
                Text("a"),
                HostilePickles.Array("f4", Int(2), 8),
                Text("b"),
                "(K",
                1,
                "K",
                2,
                "t",
                Text("c"),
                "ca\nb\n(K",
                1,
                "tR}",
                Text("x"),
                "Nsbu"
            ),
            _ => File.ReadAllBytes(Golden(kind)),
        };

    static byte[] Repacked(string path)
    {
        using var source = ZipFile.OpenRead(path);
        return Zip(
            CompressionLevel.Optimal,
            [
                .. source.Entries.Select(entry =>
                {
                    using var stream = entry.Open();
                    using var buffer = new MemoryStream();
                    stream.CopyTo(buffer);
                    return (entry.FullName, buffer.ToArray());
                }),
            ]
        );
    }
}
