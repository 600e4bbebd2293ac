using Tessera.Checkpoints;

namespace Tessera.Models;

/// <summary>
/// The weights of Google's JAX code (<c>.npz</c>: the original ViT and augreg ones) under the names and shapes of <see cref="Vit"/>.
/// </summary>
internal static class VitNumpy
{
    /// <summary>
    /// Reads the archive's arrays; kernels are transposed, queries, keys and values packed, and three channels summed for grey images.
    /// </summary>
    /// <exception cref="CheckpointException">An array that a ViT needs is missing.</exception>
    internal static OrderedDictionary<string, Tensor> Convert(Checkpoint archive, Vit model) =>
        Convert(archive.Path, archive.StateDict(), CheckpointConversion.ToTensor, model);

    /// <summary>The same of arrays of any kind.</summary>
    /// <param name="path">The archive, for messages.</param>
    /// <param name="given">Its arrays by name.</param>
    /// <param name="read">A tensor of an array's shape, and values where they are wanted.</param>
    /// <param name="model">The model.</param>
    internal static OrderedDictionary<string, Tensor> Convert<T>(
        string path,
        IEnumerable<KeyValuePair<string, T>> given,
        Func<T, Tensor> read,
        Vit model
    )
    {
        using var scope = new Scope();
        const string prefix = "opt/target/";
        var arrays = given.ToDictionary(
            e => e.Key.StartsWith(prefix, StringComparison.Ordinal) ? e.Key[prefix.Length..] : e.Key,
            e => e.Value
        );
        Tensor Array(string name) =>
            arrays.TryGetValue(name, out var array)
                ? read(array)
                : throw new CheckpointException(path, $"the archive lacks '{name}', which a ViT needs");

        var state = new OrderedDictionary<string, Tensor>();
        state["cls_token"] = Array("cls");
        state["pos_embed"] = Array("Transformer/posembed_input/pos_embedding");
        var patches = Array("embedding/kernel").Permute(3, 2, 0, 1); // [P, P, C, D] -> [D, C, P, P]
        if (model.Channels == 1 && patches.Size(1) == 3)
            patches = patches.Sum(1, keepdim: true);
        state["patch_embed.proj.weight"] = patches;
        state["patch_embed.proj.bias"] = Array("embedding/bias");
        // Files of newer versions count the layers of each kind from 0.
        var newer = arrays.ContainsKey("Transformer/encoderblock_0/MlpBlock_0/Dense_0/kernel");
        var (norm2, attention, mlp) = newer
            ? ("LayerNorm_1", "MultiHeadDotProductAttention_0", "MlpBlock_0")
            : ("LayerNorm_2", "MultiHeadDotProductAttention_1", "MlpBlock_3");
        for (var i = 0; i < model.Options.Depth; i++)
        {
            var (from, to) = ($"Transformer/encoderblock_{i}", $"blocks.{i}");
            Norm($"{from}/LayerNorm_0", $"{to}.norm1");
            string[] parts = ["query", "key", "value"];
            // [D, h, d] each
            state[$"{to}.attn.qkv.weight"] = Torch.Cat([.. parts.Select(p => Array($"{from}/{attention}/{p}/kernel").Flatten(1).T())]);
            state[$"{to}.attn.qkv.bias"] = Torch.Cat([.. parts.Select(p => Array($"{from}/{attention}/{p}/bias").Flatten())]);
            state[$"{to}.attn.proj.weight"] = Array($"{from}/{attention}/out/kernel").Flatten(0, 1).T(); // [h, d, D]
            state[$"{to}.attn.proj.bias"] = Array($"{from}/{attention}/out/bias");
            Norm($"{from}/{norm2}", $"{to}.norm2");
            Dense($"{from}/{mlp}/Dense_0", $"{to}.mlp.fc1");
            Dense($"{from}/{mlp}/Dense_1", $"{to}.mlp.fc2");
        }
        Norm("Transformer/encoder_norm", "norm");
        if (arrays.ContainsKey("pre_logits/kernel") && model.Options.RepresentationSize is not null)
            Dense("pre_logits", "pre_logits.fc");
        if (arrays.ContainsKey("head/kernel"))
            Dense("head", "head");
        return scope.Return(state);

        void Norm(string from, string to)
        {
            state[$"{to}.weight"] = Array($"{from}/scale");
            state[$"{to}.bias"] = Array($"{from}/bias");
        }

        void Dense(string from, string to)
        {
            state[$"{to}.weight"] = Array($"{from}/kernel").T();
            state[$"{to}.bias"] = Array($"{from}/bias");
        }
    }
}
