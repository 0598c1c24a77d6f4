using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using PluginServer.Diagnostics;

namespace PluginServer.Administration;

/// <summary>Sends metrics and activities to a collector, where the environment names one.</summary>
/// <remarks>The standard variables decide how: https://opentelemetry.io/docs/specs/otel/protocol/exporter.</remarks>
internal sealed class OtlpExport : IDisposable
{
    private const string Endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";
    private const string ServiceName = "OTEL_SERVICE_NAME";
    private readonly MeterProvider _metrics;
    private readonly TracerProvider _activities;

    private OtlpExport(string version)
    {
        void Describe(ResourceBuilder resource)
        {
            if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable(ServiceName)))
            {
                resource.AddService("plugin-server", serviceVersion: version);
            }
        }

        _metrics = Sdk.CreateMeterProviderBuilder().ConfigureResource(Describe).AddMeter(Instruments.Name).AddOtlpExporter().Build();
        _activities = Sdk.CreateTracerProviderBuilder().ConfigureResource(Describe).AddSource(Instruments.Name).AddOtlpExporter().Build();
    }

    /// <summary>Null where the environment names no collector: then nothing listens.</summary>
    public static OtlpExport? Start(string version) => string.IsNullOrEmpty(Environment.GetEnvironmentVariable(Endpoint)) ? null : new OtlpExport(version);

    /// <summary>Sends what is left, for a few seconds at most.</summary>
    public void Dispose()
    {
        _metrics.Dispose();
        _activities.Dispose();
    }
}
