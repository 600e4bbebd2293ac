using Tessera.Models.Layers;

namespace Tessera.Models;

/// <summary>What a model is given.</summary>
/// <param name="Inputs">Images [B, C, H, W], or word ids [B, S] for text models.</param>
/// <param name="Mask">Text: true for real words, [B, S].</param>
public sealed record ModelInput(Tensor Inputs, Tensor? Mask = null)
{
    /// <summary>Training with mixed tokens: the region, in tokens, in which each sample shows its partner of the reversed batch.</summary>
    public TokenBox? MixBox { get; init; }

    /// <summary>
    /// Random draws by name that a model would otherwise make itself (Gumbel noise, permutations), so that a step can be replayed.
    /// </summary>
    public IReadOnlyDictionary<string, Tensor> Draws { get; init; } = new Dictionary<string, Tensor>();
}

/// <summary>What a model puts out in training: the logits of its main head, and whatever else it has.</summary>
/// <param name="Logits">[B, classes], or [B, classes, h, w] where each position has a class.</param>
public sealed record Outputs(Tensor Logits) : ITensorBag
{
    /// <summary>Name of the logits of a distillation token, [B, classes].</summary>
    public const string Distillation = "distillation";

    /// <summary>Name of the logits of a head that helps in training alone, [B, classes, h, w].</summary>
    public const string Auxiliary = "auxiliary";

    /// <summary>Further outputs by name: supervision of columns, logits of tokens, masks, decisions which tokens stay.</summary>
    public IReadOnlyDictionary<string, Tensor> Named { get; init; } = new Dictionary<string, Tensor>();

    /// <inheritdoc/>
    public IEnumerable<Tensor> Tensors => Named.Values.Prepend(Logits);
}

/// <summary>A map of features.</summary>
/// <param name="Map">[B, C, H / stride, W / stride].</param>
/// <param name="Stride">Pixels of the image per position.</param>
public sealed record FeatureMap(Tensor Map, int Stride);

/// <summary>
/// A model that classifies, and answers the same questions as every other one: its features, a pyramid of maps, the output
/// of each block, its attention, another head, another resolution. Distillation, dense tasks and pictures stand on these.
/// </summary>
public abstract partial class Backbone : Layer
{
    /// <summary>Size of the images that it was made for: height and width.</summary>
    public abstract (int Height, int Width) ImageSize { get; }

    /// <summary>Channels of its images.</summary>
    public abstract int Channels { get; }

    /// <summary>Shape of one sample: channels, height and width of an image, or the number of words of a text.</summary>
    public virtual IReadOnlyList<long> InputShape => [Channels, ImageSize.Height, ImageSize.Width];

    /// <summary>Whether a sample is an image, [C, H, W].</summary>
    public bool TakesImages => InputShape.Count == 3;

    /// <summary>
    /// Samples that the model can run on, on its device and in its type. They are all the same, and the same in every call, and no
    /// generator is asked for them. Images are a wave in [-1, 1].
    /// </summary>
    /// <param name="batch">Number of samples.</param>
    /// <returns>[B, C, H, W], or word ids [B, S].</returns>
    public virtual Tensor ExampleInput(int batch = 1) =>
        Torch.Scope(() =>
        {
            var like = Parameters().First();
            var count = InputShape.Aggregate(1L, (product, size) => product * size);
            var sample = (Torch.Arange(count, dtype: DType.Float64) * 0.37).Sin().To(like.DType).To(like.Device);
            return sample.Reshape([1, .. InputShape]).Expand([batch, .. InputShape]).Contiguous();
        });

    /// <summary>Number of classes; 0 without a classifier.</summary>
    public abstract int Classes { get; }

    /// <summary>Width of the pooled features that the classifier sees.</summary>
    public abstract int NumFeatures { get; }

    /// <summary>Tokens before those of the patches (class, distillation, registers); 0 for models of maps.</summary>
    public virtual int NumPrefixTokens => 0;

    /// <summary>
    /// Prefix tokens in the output of one block, where they come or go on the way (a class token of the last stage only).
    /// </summary>
    public virtual int NumPrefixTokensAt(string blockPath) => NumPrefixTokens;

    /// <summary>Paths of the blocks whose outputs <see cref="ForwardIntermediates"/> gives, in order.</summary>
    public abstract IReadOnlyList<string> BlockPaths { get; }

    /// <summary>
    /// Paths of the records of the tokens [B, N, D] that each stage begins with, before its blocks; empty for models without stages of
    /// tokens.
    /// </summary>
    public virtual IReadOnlyList<string> EmbeddingPaths => [];

    /// <summary>
    /// Lets every block keep only its input for the backward pass and compute the rest again there; see
    /// <see cref="Module.GradientCheckpointing"/>.
    /// </summary>
    /// <exception cref="NotSupportedException">The model's blocks do not turn a tensor into a tensor.</exception>
    public void SetGradientCheckpointing(bool enable = true)
    {
        var modules = NamedModules().ToDictionary(m => m.Name, m => m.Module);
        if (BlockPaths.FirstOrDefault(path => !modules[path].SupportsGradientCheckpointing) is { } other)
            throw new NotSupportedException(
                $"{GetType().Name} does not support gradient checkpointing: its block {other} does not map a tensor to a tensor"
            );
        foreach (var path in BlockPaths)
            modules[path].GradientCheckpointing = enable;
    }

    /// <summary>
    /// The maps of every block of a plain transformer, for networks that use them in another role; empty for other models.
    /// </summary>
    public virtual IReadOnlyList<TransformerWeights> Transformer => [];

    /// <summary>
    /// Names of parameters that get no weight decay although they have more than one dimension (position tables, tokens).
    /// </summary>
    public virtual bool NoWeightDecay(string name) => false;

    /// <summary>Tokens [B, N, D] or the last map [B, C, H, W], after the final norm.</summary>
    protected abstract Tensor Features(Tensor input);

    /// <summary>The vector that the classifier sees, [B, D].</summary>
    protected abstract Tensor Pool(Tensor features);

    /// <summary>The classifier: [B, D] to [B, classes].</summary>
    protected abstract Tensor Classify(Tensor pooled);

    /// <summary>The logits for prediction, [B, classes], from the features, where they come from more than the pooled ones.</summary>
    protected virtual Tensor Logits(Tensor features) => Classify(Pool(features));

    /// <summary>Logits for prediction.</summary>
    protected sealed override Tensor Forward(Tensor input) => Taking(input, () => Logits(Features(input)));

    /// <summary>All outputs; by default only the logits.</summary>
    protected virtual Outputs ForwardOutputs(ModelInput input) => new(Logits(Features(input.Inputs)));

    /// <summary>All outputs for training.</summary>
    /// <param name="input">Images or word ids, and what else the model is given.</param>
    /// <exception cref="ShapeException">The model cannot take it; see <see cref="CheckInput"/>.</exception>
    public Outputs Run(ModelInput input) => Torch.Scope(() => Taking(input.Inputs, () => ForwardOutputs(input)));

    /// <summary>Tokens [B, N, D] or the last map [B, C, H, W], after the final norm.</summary>
    /// <param name="input">Images or word ids.</param>
    /// <exception cref="ShapeException">The model cannot take it; see <see cref="CheckInput"/>.</exception>
    public Tensor ForwardFeatures(Tensor input) => Torch.Scope(() => Taking(input, () => Features(input)));

    /// <summary>The logits, [B, classes], from what <see cref="ForwardFeatures"/> gives.</summary>
    /// <param name="features">Tokens [B, N, D] or a map [B, C, H, W], after the final norm.</param>
    /// <param name="preLogits">Stops before the classifier: the result is the pooled features that it sees, [B, D].</param>
    public Tensor ForwardHead(Tensor features, bool preLogits = false) => Torch.Scope(() => preLogits ? Pool(features) : Logits(features));

    /// <summary>
    /// The classifier alone: pooled features [B, D], as <see cref="ForwardHead"/> gives them before the logits, to [B, classes].
    /// </summary>
    public Tensor ForwardClassifier(Tensor pooled) => Torch.Scope(() => Classify(pooled));

    /// <summary>
    /// Outputs of the blocks, [B, N, D] (or maps), before the final norm. Indices count from 0, negative ones from the end;
    /// none means all.
    /// </summary>
    /// <param name="input">Images.</param>
    /// <param name="prefixTokens">Whether class and other prefix tokens stay in front.</param>
    /// <param name="indices">Which blocks.</param>
    public IReadOnlyList<Tensor> ForwardIntermediates(Tensor input, bool prefixTokens = true, params ReadOnlySpan<int> indices)
    {
        string[] wanted =
            indices.Length == 0 ? [.. BlockPaths] : [.. indices.ToArray().Select(i => BlockPaths[i < 0 ? i + BlockPaths.Count : i])];
        using var scope = new Scope();
        using var taps = new Taps(this, wanted);
        Taking(input, () => Features(input));
        Tensor[] blocks = [.. wanted.Select(path => taps[path])];
        if (!prefixTokens)
            blocks = [.. blocks.Select((block, i) => block.Dim == 3 ? block.Slice(1, NumPrefixTokensAt(wanted[i])) : block)];
        return scope.Return(blocks);
    }

    /// <summary>Weights of every attention by its path, [B, heads, queries, keys]; empty for models without attention.</summary>
    public IReadOnlyDictionary<string, Tensor> AttentionMaps(Tensor input)
    {
        using var scope = new Scope();
        using var taps = new Taps(this, "**.attention");
        Taking(input, () => Pool(Features(input)));
        // A module that is called attention records its output under that name.
        var modules = NamedModules().Select(entry => entry.Name).ToHashSet(StringComparer.Ordinal);
        return scope.Return(new OrderedDictionary<string, Tensor>(taps.Records.Where(record => !modules.Contains(record.Key))));
    }

    /// <summary>
    /// How it sees an image in its own terms: what its class token attends to, its windows, the tokens that it keeps, the points
    /// that it samples. Models without any of these show how long their features are, map by map.
    /// </summary>
    /// <param name="image">[1, C, H, W], with the model in evaluation.</param>
    public IReadOnlyList<Insight> Explain(Tensor image)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        return Taking<Insight[]>(image, () => [.. Insights(image)]);
    }

    /// <summary>What <see cref="Explain"/> gives.</summary>
    protected virtual IEnumerable<Insight> Insights(Tensor image)
    {
        var maps = FeatureMaps(image);
        var last = maps[^1].Map;
        Insight[] attended =
            NumPrefixTokens == 0 ? [] : [.. Insight.PrefixAttention(this, AttentionMaps(image), ((int)last.Size(2), (int)last.Size(3)))];
        return attended.Length > 0 ? attended : maps.Select(map => Insight.Norms($"features of stride {map.Stride}", map.Map));
    }

    /// <summary>What was recorded under some names while the model computed an answer.</summary>
    /// <param name="image">[B, C, H, W].</param>
    /// <param name="patterns">The names, as <see cref="Taps"/> takes them.</param>
    protected IReadOnlyDictionary<string, Tensor> RecordDuring(Tensor image, params string[] patterns)
    {
        using var taps = new Taps(this, patterns);
        Pool(Features(image));
        return taps.Records;
    }

    /// <summary>Feature maps from fine to coarse. Models of tokens give their last tokens as one map.</summary>
    public IReadOnlyList<FeatureMap> ForwardFeatureMaps(Tensor input)
    {
        using var scope = new Scope();
        var maps = Taking(input, () => FeatureMaps(input));
        foreach (var map in maps)
            scope.Return(map.Map);
        return maps;
    }

    /// <summary>What <see cref="ForwardFeatureMaps"/> gives.</summary>
    protected abstract IReadOnlyList<FeatureMap> FeatureMaps(Tensor input);

    /// <summary>A fresh classifier for another number of classes; 0 takes it away.</summary>
    public abstract void ResetClassifier(int classes);

    /// <summary>Takes images of another size from now on: position tables are resampled as the paper does.</summary>
    /// <exception cref="ShapeException">The model cannot take this size.</exception>
    public abstract void Resize(int height, int width);

    /// <summary>
    /// Fits the weights of a checkpoint to this model before they are loaded: names of other versions, position tables of
    /// another grid. By default they are taken as they are.
    /// </summary>
    public virtual void AdaptStateDict(IDictionary<string, Tensor> state) { }

    /// <summary>Names of the classifier's parameters in the state dict, which a checkpoint of other classes cannot fill.</summary>
    public abstract IReadOnlyList<string> ClassifierNames { get; }

    /// <summary>
    /// Whether a parameter outside of the blocks works on their result although it is declared before them; those declared
    /// after the blocks need no mention. Layer-wise decay goes by it.
    /// </summary>
    public virtual bool BelongsToHead(string name) => ClassifierNames.Contains(name);
}
