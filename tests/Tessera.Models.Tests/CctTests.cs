using Tessera.Models;

namespace Tessera.Tests.Models;

public class CctTests
{
    private static TextCct Text(string kind = "cct") => new(new TextCct.Config(kind, 12, 50, 16, 16, 2, 2, 1, 2, 3, PoolKernel: 2));

    [Fact]
    public void Pooling_weights_sum_to_one_and_differ_between_images()
    {
        using var scope = Torch.Scope();
        Torch.Seed(3);
        var model = Registry.Create("cct_2_3x2_32");
        model.Eval();
        using var taps = new Taps(model, "classifier.pool_weights");
        model.Call(Torch.Randn([2, 3, 32, 32]));
        var weights = taps["classifier.pool_weights"];
        Assert.True(weights.Sum(1).Allclose(Torch.Ones([2])));
        Assert.False(weights[0].Allclose(weights[1], 1e-6, 1e-9));
    }

    [Fact]
    public void The_sine_table_is_fixed_and_made_anew_for_another_size()
    {
        using var scope = Torch.Scope();
        var model = Registry.Create("cct_2_3x2_32_sine");
        Assert.DoesNotContain(model.NamedParameters(), p =>
            p.Name.Contains("positional", StringComparison.Ordinal) && p.Parameter.RequiresGrad
        );
        model.Resize(48, 48);
        Assert.Equal(new Shape(1, 144, 128), model.StateDict()["classifier.positional_emb"].Shape);
        model.Eval();
        Assert.Equal(new Shape(1, 10), model.Call(Torch.Zeros([1, 3, 48, 48])).Shape);
    }

    [Fact]
    public void The_order_of_words_changes_the_answer()
    {
        using var scope = Torch.Scope();
        Torch.Seed(4);
        var text = Text();
        text.Eval();
        var ids = Tensor.From<long>([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13], 1, 12);
        Assert.False(text.Call(ids).Allclose(text.Call(ids.Flip(1)), 1e-5, 1e-6));
    }

    [Fact]
    public void Padding_does_not_reach_the_attention_among_real_words()
    {
        using var scope = Torch.Scope();
        Torch.Seed(5);
        // Without pooling over tokens the class token sees real words alone.
        var text = Text("transformer");
        text.Eval();
        Tensor Logits(int padding)
        {
            var ids = Tensor.From<long>(
                [.. Enumerable.Range(2, 6).Select(i => (long)i), .. Enumerable.Repeat(1L, padding)],
                1,
                6 + padding
            );
            return text.Run(new(ids, ids.Ne(1))).Logits;
        }
        Assert.True(Logits(0).Allclose(Logits(5), 1e-4, 1e-5));
    }

    [Fact]
    public void The_vector_of_padding_gets_no_gradient()
    {
        using var scope = Torch.Scope();
        var text = Text();
        text.Call(Tensor.From<long>([1, 1, 2, 3, 4, 5, 1, 6, 7, 8, 9, 10], 1, 12)).Sum().Backward();
        var gradient = text.WordVectors.Grad!;
        Assert.Equal(0, gradient[1].Abs().Sum().ToDouble());
        Assert.NotEqual(0, gradient[2].Abs().Sum().ToDouble());
    }
}
