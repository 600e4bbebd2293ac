using System.IO.Compression;
using System.Text;
using Tessera.Models;

namespace Tessera.Tests.Models;

/// <summary>Writes arrays of float32 the way numpy's savez does: what published JAX weights look like.</summary>
internal static class NumpyArchive
{
    public static void Write(string path, IReadOnlyDictionary<string, Tensor> arrays)
    {
        using var zip = ZipFile.Open(path, ZipArchiveMode.Create);
        foreach (var (name, tensor) in arrays)
        {
            using var entry = zip.CreateEntry($"{name}.npy", CompressionLevel.NoCompression).Open();
            var shape = string.Concat(tensor.Shape.Select(size => $"{size},"));
            var header = $"{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}".PadRight(117) + "\n";
            entry.Write([0x93, .. "NUMPY"u8, 1, 0, (byte)header.Length, 0]);
            entry.Write(Encoding.ASCII.GetBytes(header));
            entry.Write(tensor.Contiguous().ToBytes());
        }
    }

    /// <summary>The weights of a ViT as Google's JAX code has them, in one of its two versions.</summary>
    public static Dictionary<string, Tensor> OfVit(Vit vit, bool newer)
    {
        var state = vit.StateDict();
        var (dim, heads) = (vit.Options.Dim, vit.Options.Heads);
        var arrays = new Dictionary<string, Tensor>
        {
            ["cls"] = state["cls_token"],
            ["Transformer/posembed_input/pos_embedding"] = state["pos_embed"],
            ["embedding/kernel"] = state["patch_embed.proj.weight"].Permute(2, 3, 1, 0),
            ["embedding/bias"] = state["patch_embed.proj.bias"],
            ["Transformer/encoder_norm/scale"] = state["norm.weight"],
            ["Transformer/encoder_norm/bias"] = state["norm.bias"],
            ["head/kernel"] = state["head.weight"].T(),
            ["head/bias"] = state["head.bias"],
        };
        for (var i = 0; i < vit.Options.Depth; i++)
        {
            var (from, to) = ($"blocks.{i}", $"Transformer/encoderblock_{i}");
            var (norm, attention, mlp) = newer
                ? ("LayerNorm_1", "MultiHeadDotProductAttention_0", "MlpBlock_0")
                : ("LayerNorm_2", "MultiHeadDotProductAttention_1", "MlpBlock_3");
            foreach (var (part, k) in new[] { "query", "key", "value" }.Select((p, k) => (p, k)))
            {
                arrays[$"{to}/{attention}/{part}/kernel"] = state[$"{from}.attn.qkv.weight"]
                    .Slice(0, dim * k, dim * (k + 1))
                    .T()
                    .Reshape(dim, heads, dim / heads);
                arrays[$"{to}/{attention}/{part}/bias"] = state[$"{from}.attn.qkv.bias"]
                    .Slice(0, dim * k, dim * (k + 1))
                    .Reshape(heads, dim / heads);
            }
            arrays[$"{to}/{attention}/out/kernel"] = state[$"{from}.attn.proj.weight"].T().Reshape(heads, dim / heads, dim);
            arrays[$"{to}/{attention}/out/bias"] = state[$"{from}.attn.proj.bias"];
            foreach (var (theirs, ours) in new[] { ("LayerNorm_0", "norm1"), (norm, "norm2") })
            {
                arrays[$"{to}/{theirs}/scale"] = state[$"{from}.{ours}.weight"];
                arrays[$"{to}/{theirs}/bias"] = state[$"{from}.{ours}.bias"];
            }
            foreach (var (theirs, ours) in new[] { ("Dense_0", "fc1"), ("Dense_1", "fc2") })
            {
                arrays[$"{to}/{mlp}/{theirs}/kernel"] = state[$"{from}.mlp.{ours}.weight"].T();
                arrays[$"{to}/{mlp}/{theirs}/bias"] = state[$"{from}.mlp.{ours}.bias"];
            }
        }
        return arrays;
    }
}
