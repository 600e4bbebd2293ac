using System.IO.Compression;
using Tessera.Checkpoints;
using static Tessera.Tests.Checkpoints.CheckpointFiles;

namespace Tessera.Tests.Checkpoints;

/// <summary>Damaged files: each gives a value or a typed error, and never anything else.</summary>
public class MutatedCheckpointTests
{
    const int Cases = 10_000;

    public static TheoryData<string> Kinds => ["nested.pth", "legacy.pth", "tiny.safetensors", "deflated.pth", "arrays.npz", "array.npy", "numpy.pkl"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_damaged_file_gives_a_value_or_a_typed_error(string kind)
    {
        var original = Original(kind);
        using (var sound = Checkpoint.Read(original)) ReadAll(sound.Root);
        var random = new Random(20260101);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var errors = 0;
        for (var i = 0; i < Cases; i++)
        {
            var bytes = Mutate(original, random);
            try
            {
                using var checkpoint = Checkpoint.Read(bytes);
                ReadAll(checkpoint.Root);
            }
            catch (CheckpointException)
            {
                errors++;
            }
            catch (Exception e)
            {
                Assert.Fail($"case {i}: {e}");
            }
        }
        Assert.InRange(errors, Cases / 20, Cases);
        var each = (GC.GetAllocatedBytesForCurrentThread() - before) / Cases;
        Assert.True(each < 1 << 20, $"{each} bytes a case");
    }

    static byte[] Original(string kind) => kind switch
    {
        "deflated.pth" => Repacked(Golden("nested.pth")),
        "arrays.npz" => Zip(CompressionLevel.Optimal, ("a.npy", Npy("<f4", "(2, 3)", new byte[24])), ("b/c.npy", Npy("<i8", "()", new byte[8])), ("d.npy", Npy("<f2", "(2, 2)", new byte[8], fortran: true))),
        "array.npy" => Npy("<f4", "(2, 3)", new byte[24]),
        "numpy.pkl" => Pickle("}(", Text("a"), HostilePickles.Array("f4", Int(2), 8), Text("b"), "(K", 1, "K", 2, "t",
            Text("c"), "ca\nb\n(K", 1, "tR}", Text("x"), "Nsbu"),
        _ => File.ReadAllBytes(Golden(kind)),
    };

    static byte[] Repacked(string path)
    {
        using var source = ZipFile.OpenRead(path);
        return Zip(CompressionLevel.Optimal, [.. source.Entries.Select(entry =>
        {
            using var stream = entry.Open();
            using var buffer = new MemoryStream();
            stream.CopyTo(buffer);
            return (entry.FullName, buffer.ToArray());
        })]);
    }

    static byte[] Mutate(byte[] original, Random random)
    {
        var bytes = original[..];
        switch (random.Next(6))
        {
            case 0: return bytes[..random.Next(bytes.Length)];
            case 1:
                var (from, to, length) = (random.Next(bytes.Length), random.Next(bytes.Length), random.Next(16));
                for (var i = 0; i < length && from + i < bytes.Length && to + i < bytes.Length; i++) bytes[to + i] = original[from + i];
                return bytes;
            case 2:
                // Numbers that overflow.
                var number = random.Next(4) switch { 0 => long.MaxValue, 1 => -1L, 2 => int.MaxValue, _ => 1L << random.Next(64) };
                var at = random.Next(bytes.Length);
                BitConverter.GetBytes(number).AsSpan(0, Math.Min(1 << random.Next(4), bytes.Length - at)).CopyTo(bytes.AsSpan(at));
                return bytes;
            default:
                for (var i = random.Next(1, 9); i > 0; i--) bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
                return bytes;
        }
    }
}
