using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>
/// The projection of SiT of December 2022: linear maps, each with a batch norm behind it; ReLU after the first, GELU after those between, and
/// no scale and shift in the last norm. State dict: <c>mlp.*</c>.
/// </summary>
public sealed partial class SitProjection : Layer
{
    private readonly Sequential mlp;

    /// <summary>A projection with the authors' initialisation.</summary>
    /// <param name="dim">Channels of a class token.</param>
    /// <param name="width">Hidden width.</param>
    /// <param name="outputs">Channels of an embedding.</param>
    /// <param name="layers">Linear maps, at least 2.</param>
    public SitProjection(int dim, int width, int outputs, int layers)
    {
        List<Layer> all = [new Linear(dim, width), new BatchNorm(width), new Relu()];
        for (var i = 2; i < layers; i++)
            all.AddRange([new Linear(width, width), new BatchNorm(width), new Gelu()]);
        mlp = TransformerInit.Linears(new Sequential([.. all, new Linear(width, outputs), new BatchNorm(outputs, affine: false)]));
    }

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => mlp.Call(input); // [B, D] -> [B, E]
}

/// <summary>
/// Rebuilds images from patch tokens: linear maps of the tokens' width with GELU behind each, then a transposed convolution of a patch's
/// size. State dict: <c>mlp.*</c>, <c>convTrans.*</c>.
/// </summary>
public sealed class SitReconstruction : Layer
{
    private readonly Sequential mlp;
    private readonly ConvTranspose2d convTrans;
    private readonly int patch;

    /// <summary>A decoder with the authors' initialisation.</summary>
    /// <param name="dim">Channels of a token.</param>
    /// <param name="channels">Channels of an image.</param>
    /// <param name="patch">Side of a patch.</param>
    /// <param name="layers">Linear maps: 3 in the system of December 2022, 2 in that of June 2022, none in that of 2021.</param>
    public SitReconstruction(int dim, int channels, int patch, int layers)
    {
        this.patch = patch;
        mlp = TransformerInit.Linears(
            new Sequential(Enumerable.Range(0, layers).SelectMany(_ => (Layer[])[new Linear(dim, dim), new Gelu()]))
        );
        convTrans = new ConvTranspose2d(dim, channels, patch, patch);
    }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        if (mlp.Count > 0)
            members.Add("mlp", mlp);
        members.Add("convTrans", convTrans);
    }

    /// <summary>The transposed convolution, which stands alone in the system of 2021.</summary>
    internal ConvTranspose2d Convolution => convTrans;

    /// <summary>Images of a size from their patch tokens.</summary>
    /// <param name="patches">[B, N, D], row by row.</param>
    /// <param name="height">Rows of the images.</param>
    /// <param name="width">Columns of the images.</param>
    /// <returns>[B, C, H, W].</returns>
    public Tensor Paint(Tensor patches, long height, long width) =>
        Torch.Scope(() => Call(patches.Transpose(1, 2).Reshape(patches.Size(0), patches.Size(2), height / patch, width / patch)));

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) // [B, D, h, w] -> [B, C, H, W]
    {
        if (mlp.Count == 0)
            return convTrans.Call(input);
        return convTrans.Call(mlp.Call(input.Permute(0, 2, 3, 1)).Permute(0, 3, 1, 2).Contiguous());
    }
}

/// <summary>The heads of SiT's revision of June 2022: three linear maps without biases, GELU between them. State dict: <c>mlp.*</c>.</summary>
public sealed partial class SitMlp : Layer
{
    private readonly Sequential mlp;

    /// <summary>A head with the authors' initialisation.</summary>
    /// <param name="dim">Channels of a token.</param>
    /// <param name="width">Hidden width.</param>
    /// <param name="outputs">Channels of the result.</param>
    public SitMlp(int dim, int width, int outputs) =>
        mlp = TransformerInit.Linears(
            new Sequential(
                new Linear(dim, width, bias: false),
                new Gelu(),
                new Linear(width, width, bias: false),
                new Gelu(),
                new Linear(width, outputs, bias: false)
            )
        );

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => mlp.Call(input); // [B, D] -> [B, E]
}
