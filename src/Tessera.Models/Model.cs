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

    /// <summary>
    /// Name of the logits of several heads that learn the same labels, [heads, B, classes]: their losses add up, and <see cref="Logits"/> is
    /// their mean.
    /// </summary>
    public const string Heads = "heads";

    /// <summary>Name of the logits of a head that helps in training alone, [B, classes, h, w].</summary>
    public const string Auxiliary = "auxiliary";

    /// <summary>Name of the differences of boxes from the anchors of a detector, [B, n, 4].</summary>
    public const string Differences = "differences";

    /// <summary>Further outputs by name: supervision of columns, logits of tokens, masks, decisions which tokens stay.</summary>
    public IReadOnlyDictionary<string, Tensor> Named { get; init; } = new Dictionary<string, Tensor>();

    /// <inheritdoc/>
    public IEnumerable<Tensor> Tensors => Named.Values.Prepend(Logits);
}

/// <summary>
/// A network with weights, classes and a size of images: a <see cref="Backbone"/>, or a head for another task over one
/// (<see cref="PyramidModel"/>). Training, bundles and compilation know models by this type.
/// </summary>
public abstract partial class Model : Layer
{
    /// <summary>Size of the images that it was made for: height and width.</summary>
    public abstract (int Height, int Width) ImageSize { get; }

    /// <summary>Channels of its images.</summary>
    public abstract int Channels { get; }

    /// <summary>
    /// Share of its training that is done, from 0 to 1: what models go by that are regularised more as training goes on. Training sets it;
    /// 1 until then.
    /// </summary>
    public double TrainedShare { get; set; } = 1;

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

    /// <summary>
    /// Lets every block keep only its input for the backward pass and compute the rest again there; see
    /// <see cref="Module.GradientCheckpointing"/>.
    /// </summary>
    /// <exception cref="NotSupportedException">The model's blocks do not turn a tensor into a tensor.</exception>
    public abstract void SetGradientCheckpointing(bool enable = true);

    /// <summary>
    /// Names of parameters that get no weight decay although they have more than one dimension (position tables, tokens).
    /// </summary>
    public virtual bool NoWeightDecay(string name) => false;

    /// <summary>All outputs for training.</summary>
    /// <param name="input">Images or word ids, and what else the model is given.</param>
    /// <exception cref="ShapeException">The model cannot take it; see <see cref="CheckInput"/>.</exception>
    public Outputs Run(ModelInput input) => Torch.Scope(() => Taking(input.Inputs, () => ForwardOutputs(input)));

    /// <summary>What <see cref="Run"/> gives.</summary>
    protected abstract Outputs ForwardOutputs(ModelInput input);

    /// <summary>A fresh classifier for another number of classes; 0 takes it away.</summary>
    public abstract void ResetClassifier(int classes);

    /// <summary>Takes images of another size from now on: position tables are resampled as the paper does.</summary>
    /// <exception cref="ShapeException">The model cannot take this size.</exception>
    public abstract void Resize(int height, int width);

    /// <summary>What a user should know of the model at its image size before it is trained, a line each; none by default.</summary>
    public virtual IReadOnlyList<string> Remarks => [];

    /// <summary>Fits the weights of a checkpoint to this model before they are loaded.</summary>
    /// <param name="state">The tensors by name; changed in place.</param>
    /// <returns>A sentence for everything that was left out or filled in.</returns>
    internal abstract IReadOnlyList<string> Fit(OrderedDictionary<string, Tensor> state);

    /// <summary>Number of classes that a tensor of a classifier is for.</summary>
    /// <param name="name">One of <see cref="ClassifierNames"/>.</param>
    /// <param name="tensor">Of this model or of a checkpoint.</param>
    internal virtual long ClassesOf(string name, Tensor tensor) => tensor.Size(0);

    /// <summary>Names of the classifier's parameters in the state dict, which a checkpoint of other classes cannot fill.</summary>
    public abstract IReadOnlyList<string> ClassifierNames { get; }
}
