using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Nn;
using Tessera.Training.Losses;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives;

/// <summary>
/// Token labeling: every patch token learns the label that a strong classifier saw at its place, besides the label of the image
/// (Jiang et al., 2021, arXiv:2104.10858). LV-ViT brings the head of the tokens and mixes tokens of two images; for other models
/// of tokens or maps a head of this method's own reads the output of the last block.
/// </summary>
public sealed partial class TokenLabels : BackboneObjective
{
    private readonly LayerNorm? norm;
    private readonly Linear? auxHead;
    private readonly TokenLabelOptions options;
    private readonly string path;
    private readonly (int Height, int Width) grid;

    [NotRegistered]
    private readonly TokenLabelStore store;

    /// <summary>The method with its maps of scores.</summary>
    /// <exception cref="ArgumentException">The student's tokens are no square grid.</exception>
    public TokenLabels(TokenLabelOptions options, Backbone student, TokenLabelStore store)
        : base(student)
    {
        (this.options, this.store) = (options, store);
        path = student.BlockPaths[^1];
        var map = BlockOutputs.Probe(student, [path])[0];
        grid = ((int)map[2], (int)map[3]);
        if (grid.Height != grid.Width)
            throw new ArgumentException($"token labels need a square grid of tokens, not {grid.Height} x {grid.Width}");
        if (student is LvVit { Options.DenseHead: true })
            return;
        norm = new LayerNorm(map[1]);
        auxHead = TransformerInit.Linears(new Linear(map[1], student.Classes));
    }

    /// <summary>False where tokens of two images of a batch are mixed.</summary>
    public override bool MeanOverSamples => auxHead is not null || !options.MixTokens;

    /// <inheritdoc/>
    public override double? ForwardPasses => Supervised.OnePass;

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        var target = Targets(batch, Student.Classes);
        TokenBox box = default;
        Outputs outputs;
        Tensor dense;
        if (auxHead is null)
        {
            if (options.MixTokens)
                box = MixToken.Draw(grid.Height, grid.Width);
            outputs = Student.Run(new(batch.Inputs) { MixBox = box });
            dense = outputs.Named[LvVit.Dense];
        }
        else
        {
            (outputs, var blocks) = BlockOutputs.Run(Student, new(batch.Inputs), [path]);
            dense = auxHead.Call(norm!.Call(BlockOutputs.Map(Student, path, blocks[0], batch.Inputs).Flatten(2).Transpose(1, 2)));
        }
        var loss = TokenLabeling.Loss(outputs.Logits, dense, target, box, options.DenseWeight, options.ClassWeight, options.UseGroundTruth);
        using var outside = Torch.NoGrad();
        var right = dense.Argmax(2).Eq(target.Slice(2, 2).Argmax(1)).To(DType.Float32).Mean();
        // Where tokens are mixed, so is what the class token sees: its logits tell nothing about one label.
        return new(loss)
        {
            Scores = MixToken.Kept(box, grid.Height * grid.Width) == 1 ? Accuracy(outputs.Logits, batch) : new Dictionary<string, Score>(),
            Parts = new Dictionary<string, Tensor> { ["token_accuracy"] = right },
        };
    }

    /// <summary>Labels of images and tokens, [B, K, 2 + N], cropped and mirrored as the images are.</summary>
    internal Tensor Targets(Batch batch, int classes) =>
        Torch.Scope(() =>
        {
            var labels = ClassTargets.Of(batch).Labels;
            var (scores, indices) = store.Of(batch.Indices, labels.ToArray<long>());
            var views = batch.Views[0].Images ?? [.. Enumerable.Repeat(ImageView.Full, batch.Count)];
            // Boxes have positive sides: what is mirrored is turned afterwards.
            var boxes = views
                .SelectMany(v =>
                    (double[])[Math.Min(v.Top, v.Top + v.Height), Math.Min(v.Left, v.Left + v.Width), Math.Abs(v.Height), Math.Abs(v.Width)]
                )
                .ToArray();
            var device = batch.Inputs.Device;
            var target = TokenLabeling.Targets(
                scores.To(device),
                indices.To(device),
                Tensor.From(boxes, batch.Count, 4),
                labels,
                classes,
                grid.Height,
                options.Smoothing,
                options.Axes
            );
            var tokens = target.Slice(2, 2).Reshape(batch.Count, classes, grid.Height, grid.Width);
            tokens = Torch.Where(Which(v => v.Width < 0), tokens.Flip(3), tokens);
            tokens = Torch.Where(Which(v => v.Height < 0), tokens.Flip(2), tokens);
            return Torch.Cat([target.Slice(2, 0, 2), tokens.Flatten(2)], 2);

            Tensor Which(Func<ImageView, bool> matches) => Tensor.From(views.Select(matches).ToArray(), batch.Count, 1, 1, 1).To(device);
        });
}

/// <summary>Settings of token labeling (Jiang et al., 2021, arXiv:2104.10858, section 3).</summary>
/// <param name="Labels">Folder that <c>tessera token-labels make</c> wrote for the very data and split.</param>
/// <param name="Annotator">Makes the labels first, where the folder has none yet.</param>
/// <param name="DenseWeight">Weight of the patch tokens, at least 0: 0.5 in the paper and by default, 1 in the published commands.</param>
/// <param name="ClassWeight">Weight of the class token, at least 0; 1 by default.</param>
/// <param name="UseGroundTruth">Mixes the true label into that of the image.</param>
/// <param name="MixTokens">LV-ViT: exchanges a box of tokens with another image of the batch.</param>
/// <param name="Smoothing">Label smoothing, from 0 to 0.999; 0.1 by default.</param>
/// <param name="Axes">correct, or exchanged as in the published code.</param>
[RecipeName("token_labeling")]
public sealed record TokenLabelOptions(
    [RecipePath] string Labels,
    TeacherOptions? Annotator = null,
    [Range(0, 1e6)] double DenseWeight = 0.5,
    [Range(0, 1e6)] double ClassWeight = 1,
    bool UseGroundTruth = false,
    bool MixTokens = true,
    [Range(0, 0.999)] double Smoothing = 0.1,
    TokenLabeling.Axes Axes = TokenLabeling.Axes.Correct
) : ObjectiveOptions
{
    /// <inheritdoc/>
    public override IReadOnlyList<Need> Needs =>
        [
            new Need.Views(1),
            new Need.UnmixedImages("token labels belong to the places of one image; the method itself mixes tokens (mix_tokens)"),
        ];

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context)
    {
        if (Annotator is not null && context.Data is { } data && !TokenLabelStore.Exists(Labels))
            TokenLabelStore.Make(
                Annotator.Create(context),
                data,
                Labels,
                unreadableLimit: context.UnreadableLimit,
                normalization: context.OtherNormalization
            );
        return new TokenLabels(this, context.Student, TokenLabelStore.Open(Labels));
    }
}
