using Tessera.Testing;

namespace Tessera.Tests;

/// <summary>Regions without gradients, of pure inference and of mixed precision.</summary>
public sealed class ModeTests : LiveTensors
{
    private readonly Tensor x = Torch.Ones([2, 2]).RequiresGrad_();

    [Fact]
    public void Without_gradients_nested()
    {
        Assert.True(Torch.GradEnabled);
        using (Torch.NoGrad())
        {
            Assert.False((x * 2).RequiresGrad);
            using (Torch.EnableGrad())
                Assert.True((x * 2).RequiresGrad);
            using (Torch.NoGrad())
                Assert.False(Torch.GradEnabled);
            Assert.False(Torch.GradEnabled);
        }
        Assert.True((x * 2).RequiresGrad);
    }

    [Fact]
    public void The_mode_is_restored_after_an_exception_and_belongs_to_its_thread()
    {
        Assert.Throws<ShapeException>(() =>
        {
            using var quiet = Torch.NoGrad();
            _ = x + Torch.Zeros(3);
        });
        Assert.True(Torch.GradEnabled);
        using var off = Torch.NoGrad();
        var elsewhere = false;
        var thread = new Thread(() => elsewhere = Torch.GradEnabled);
        thread.Start();
        thread.Join();
        Assert.True(elsewhere);
    }

    [Fact]
    public void Inference_nested_and_left_twice()
    {
        Tensor made;
        using (var mode = Torch.Inference())
        {
            made = x * 2;
            Assert.False(made.RequiresGrad);
            using (Torch.Inference())
                Assert.False(Torch.GradEnabled);
            Assert.False(Torch.GradEnabled);
            mode.Dispose();
        }
        Assert.True(Torch.GradEnabled);
        Assert.True((x * 2).RequiresGrad);
        Assert.ThrowsAny<TorchException>(() => (made * x).Sum().Backward());
    }

    [Fact]
    public void Autocast_runs_products_in_bfloat16_and_is_left_again()
    {
        var plain = x.Matmul(x);
        using (Torch.Autocast())
        {
            var product = x.Matmul(x);
            Assert.Equal(DType.BFloat16, product.DType);
            Assert.Equal(DType.Float32, (x + x).DType);
            product.Sum().Backward();
            Assert.Equal(DType.Float32, x.Grad!.DType);
            using (Torch.Autocast(enabled: false))
                Assert.Equal(DType.Float32, x.Matmul(x).DType);
            Assert.Equal(DType.BFloat16, x.Matmul(x).DType);
            using (Torch.Autocast())
                Assert.Equal(DType.BFloat16, x.Matmul(x).DType);
            Assert.Equal(DType.BFloat16, x.Matmul(x).DType);
        }
        Near.Identical(plain.Detach(), x.Matmul(x).Detach());
    }

    [Fact]
    public void Autocast_forgets_cast_weights_and_can_be_left_twice()
    {
        var mode = Torch.Autocast();
        Near.Values(x.Matmul(x).Detach(), 0, 2, 2, 2, 2);
        mode.Dispose();
        mode.Dispose();
        using (Torch.NoGrad())
            x.Fill_(3);
        using (Torch.Autocast())
            Near.Values(x.Matmul(x).Detach(), 0, 18, 18, 18, 18);
    }

    [Fact]
    public void Threads_can_be_set()
    {
        var before = Torch.Threads;
        try
        {
            Torch.Threads = 1;
            Assert.Equal(1, Torch.Threads);
            Assert.ThrowsAny<TorchException>(() => Torch.Threads = 0);
        }
        finally
        {
            Torch.Threads = before;
        }
    }

    [Fact]
    public void Deterministic_mode_refuses_what_has_no_deterministic_kernel()
    {
        Assert.False(Torch.Deterministic);
        try
        {
            Torch.Deterministic = true;
            Assert.True(Torch.Deterministic);
            Near.Values(x.Sum().Detach(), 0, 4);
        }
        finally
        {
            Torch.Deterministic = false;
        }
    }

    [Fact]
    public void The_engine_tells_about_itself()
    {
        Assert.Matches(@"^\d+\.\d+", Torch.Version);
        Assert.Contains("threads", Torch.BuildInfo, StringComparison.OrdinalIgnoreCase);
        _ = Torch.HasOneDnn;
        Torch.ReleaseFreedMemory();
    }
}
