using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Tessera.Checkpoints;

namespace Tessera.Training.Generation;

/// <summary>
/// Features of real images that were computed before, in memory and, where a folder is given, in a file. An image is known by its own
/// pixels, and a file is of one embedding, by name, dimension and hash: whatever changes in data, preparation or embedding, no stale
/// feature is taken. Threads may ask at once.
/// </summary>
/// <param name="folder">Where files are kept between runs; null for none.</param>
/// <param name="mostBytes">Bytes of features that are kept at most; what comes later is computed each time.</param>
public sealed class FeatureCache(string? folder = null, long mostBytes = 1L << 30)
{
    private const string FormatEntry = "format",
        Format = "tessera-features/1",
        EmbeddingEntry = "embedding",
        Images = "images",
        Features = "features";

    // Half of a SHA-256.
    private const int DigestBytes = 16;

    private readonly Lock adding = new();
    private readonly Dictionary<string, Known> known = new(StringComparer.Ordinal);

    private sealed class Known(EmbeddingFacts facts)
    {
        internal EmbeddingFacts Facts { get; } = facts;
        internal Dictionary<UInt128, float[]> Rows { get; } = [];
        internal bool IsSaved { get; set; } = true;
    }

    /// <summary>Images whose features were known already.</summary>
    public long Hits { get; private set; }

    /// <summary>What an embedding makes of images, as far as it is not known.</summary>
    /// <param name="images">[B, C, H, W] in [0, 1].</param>
    /// <param name="embedding">The embedding.</param>
    /// <returns>Features without logits, owned by the current scope.</returns>
    public EmbeddedImages Of(Tensor images, FeatureEmbedding embedding)
    {
        using var scope = new Scope();
        var digests = Digests(images);
        var width = embedding.Facts.Dimension;
        var values = new float[digests.Length * width];
        List<long> missing = [];
        lock (adding)
        {
            var rows = For(embedding.Facts).Rows;
            foreach (var (place, digest) in digests.Index())
                if (rows.TryGetValue(digest, out var row))
                    row.CopyTo(values, place * width);
                else
                    missing.Add(place);
            Hits += digests.Length - missing.Count;
        }
        if (missing.Count > 0)
        {
            var some = missing.Count == digests.Length ? images : images.IndexSelect(0, Tensor.From(missing.ToArray()).To(images.Device));
            var found = embedding.Of(some).Features.ToArray<float>();
            lock (adding)
            {
                var own = For(embedding.Facts);
                foreach (var (row, place) in missing.Index())
                {
                    var feature = found.AsSpan(row * width, width);
                    feature.CopyTo(values.AsSpan((int)place * width));
                    if ((own.Rows.Count + 1L) * width * sizeof(float) <= mostBytes && own.Rows.TryAdd(digests[place], feature.ToArray()))
                        own.IsSaved = false;
                }
            }
        }
        return new(scope.Return(Tensor.From(values, digests.Length, width).To(embedding.Device)), null);
    }

    private Known For(EmbeddingFacts facts)
    {
        if (!known.TryGetValue(facts.Hash, out var own))
        {
            own = new(facts);
            Read(facts, own.Rows);
            known.Add(facts.Hash, own);
        }
        return own;
    }

    // The pixels as bytes with their shape: two images of the same bytes and other shapes are different.
    private static UInt128[] Digests(Tensor images)
    {
        var pixels = images.Detach().To(DType.Float32).To(Device.Cpu).Contiguous();
        var bytes = pixels.ToBytes();
        var each = bytes.Length / (int)images.Size(0);
        var shape = Encoding.ASCII.GetBytes($"{images.Size(1)} {images.Size(2)} {images.Size(3)}\n");
        var digests = new UInt128[images.Size(0)];
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var digest = new byte[SHA256.HashSizeInBytes];
        for (var image = 0; image < digests.Length; image++)
        {
            hash.AppendData(shape);
            hash.AppendData(bytes, image * each, each);
            hash.GetHashAndReset(digest);
            digests[image] = Digest(digest);
        }
        return digests;
    }

    private string? PathOf(EmbeddingFacts facts) => folder is null ? null : Path.Combine(folder, $"{facts.Hash}.safetensors");

    private void Read(EmbeddingFacts facts, Dictionary<UInt128, float[]> rows)
    {
        if (PathOf(facts) is not { } path || !File.Exists(path))
            return;
        using var scope = new Scope();
        try
        {
            using var file = Checkpoint.Open(path);
            if (
                file.Metadata.GetValueOrDefault(FormatEntry) != Format
                || file.Metadata.GetValueOrDefault(EmbeddingEntry) != facts.Hash
                || file.Root is not CheckpointDictionary root
                || !root.TryGetValue(Images, out var first)
                || first is not CheckpointTensor { DType: DType.UInt8, Shape: [var count, DigestBytes] } images
                || !root.TryGetValue(Features, out var second)
                || second is not CheckpointTensor { DType: DType.Float32, Shape: [var other, var width] } features
                || count != other
                || width != facts.Dimension
            )
                throw new RunException(
                    $"{path} does not hold features of {facts.Id} ({facts.Dimension} dimensions, {facts.Hash}): delete the file or name "
                        + "another folder"
                );
            var (digests, values) = (images.ToTensor().ToArray<byte>(), features.ToTensor().ToArray<float>());
            for (var row = 0; row < count; row++)
                rows[Digest(digests.AsSpan(row * DigestBytes, DigestBytes))] = values[
                    (row * facts.Dimension)..((row + 1) * facts.Dimension)
                ];
        }
        catch (CheckpointException error)
        {
            throw new RunException($"features of real images cannot be read: {error.Message}: delete the file or name another folder");
        }
    }

    /// <summary>
    /// Writes what is new into the files, each whole or not at all. Of two programs that write the same file at once, the features of one
    /// are lost, and computed again.
    /// </summary>
    public void Save()
    {
        if (folder is null)
            return;
        lock (adding)
            foreach (var own in known.Values.Where(own => !own.IsSaved))
            {
                using var scope = new Scope();
                Directory.CreateDirectory(folder);
                // What another program has written meanwhile stays.
                Dictionary<UInt128, float[]> all = [];
                Read(own.Facts, all);
                foreach (var (digest, row) in own.Rows)
                    all[digest] = row;
                var digests = new byte[all.Count * DigestBytes];
                foreach (var (place, digest) in all.Keys.Index())
                    BinaryPrimitives.WriteUInt128LittleEndian(digests.AsSpan(place * DigestBytes), digest);
                var values = new float[all.Count * own.Facts.Dimension];
                foreach (var (place, row) in all.Values.Index())
                    row.CopyTo(values, place * own.Facts.Dimension);
                Checkpoint.SaveSafetensors(
                    PathOf(own.Facts)!,
                    new KeyValuePair<string, Tensor>[]
                    {
                        new(Images, Tensor.From(digests, all.Count, DigestBytes)),
                        new(Features, Tensor.From(values, all.Count, own.Facts.Dimension)),
                    }.ToCheckpoint(),
                    [new(FormatEntry, Format), new(EmbeddingEntry, own.Facts.Hash)]
                );
                own.IsSaved = true;
            }
    }

    private static UInt128 Digest(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt128LittleEndian(bytes[..DigestBytes]);
}
